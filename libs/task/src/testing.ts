import { newId } from '@funmagic/contract/ids'
import type { StepType } from '@funmagic/contract/tool'
import type { Database } from '@funmagic/database/client'
import { saveTool, saveToolType, type Tool } from './catalog.ts'

export interface TestTool {
  readonly slug?: string
  readonly cost?: number
  readonly stepIds?: readonly string[]
  readonly stepType?: StepType
  readonly providerId?: string
  readonly providerModel?: string
  readonly isActive?: boolean
}

/** A tool with one or more steps, for tests that need tasks and not a particular tool. */
export async function createTestTool(database: Database, tool: TestTool = {}): Promise<Tool> {
  const typeName = 'test'
  const cost = tool.cost ?? 5
  await saveToolType(database, {
    name: typeName,
    displayName: 'Test',
    icon: null,
    color: null,
  })
  return saveTool(database, {
    slug: tool.slug ?? `tool-${newId()}`,
    title: 'A tool',
    description: null,
    typeName,
    creditsCost: cost,
    isActive: tool.isActive ?? true,
    config: {
      steps: (tool.stepIds ?? ['only']).map(id => ({
        id,
        name: id,
        type: tool.stepType ?? 'background-remove',
        providerId: tool.providerId ?? newId(),
        providerModel: tool.providerModel ?? 'test-model',
        cost,
      })),
    },
  })
}
