import type { TaskId, UserId } from '@funmagic/contract/ids'
import type { ToolConfig, ToolStep } from '@funmagic/contract/tool'
import type { Database } from '@funmagic/database/client'

export interface ToolType {
  readonly id: string
  readonly name: string
  readonly displayName: string
  readonly icon: string | null
  readonly color: string | null
}

export interface Tool {
  readonly id: string
  readonly slug: string
  readonly title: string
  readonly description: string | null
  readonly type: ToolType
  readonly config: ToolConfig
  readonly creditsCost: number
  readonly isActive: boolean
  readonly version: number
}

export type NewTool = Omit<Tool, 'id' | 'type' | 'version'> & { readonly typeName: string }

/** The tools that users see, by title. */
export declare function listTools(database: Database): Promise<Tool[]>

/** The tool of the slug, active or not. */
export declare function findTool(database: Database, slug: string): Promise<Tool | undefined>

/** The step of the id, or the first. Throws VALIDATION_FAILED when the tool has no such step. */
export declare function readStep(tool: Tool, stepId?: string): ToolStep

/**
 * Refuses a step whose turn has not come: a later step needs a completed task of the step before
 * as its parent (T8). Throws NOT_FOUND for a foreign parent, STEP_ORDER otherwise.
 */
export declare function requireStepOrder(
  database: Database,
  submission: {
    userId: UserId
    tool: Tool
    step: ToolStep
    parentTaskId?: TaskId | undefined
  },
): Promise<void>

/** Creates or replaces the type of that name; returns its id. */
export declare function saveToolType(
  database: Database,
  type: Omit<ToolType, 'id'> & { readonly description?: string | null },
): Promise<string>

/** Creates the tool, or replaces the one of that slug and raises its version if it differs. */
export declare function saveTool(database: Database, tool: NewTool): Promise<Tool>
