import { Compile } from 'typebox/compile'
import { newId, type TaskId, type UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import { ToolConfig, type ToolStep } from '@funmagic/contract/tool'
import type { Database } from '@funmagic/database/client'
import { prepared, sql } from '@funmagic/database/sql'
import { findTask, type Task } from './tasks.ts'

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
  /** Raised by every change; a task keeps the version and the step that it was submitted with. */
  readonly version: number
}

export type NewTool = Omit<Tool, 'id' | 'type' | 'version'> & { readonly typeName: string }
export type NewToolType = Omit<ToolType, 'id'> & { readonly description?: string | null }

const toolsMax = 500
const configForm = Compile(ToolConfig)
export const toolTypeFields = {
  id: true,
  name: true,
  displayName: true,
  icon: true,
  color: true,
} as const
const select = {
  id: true,
  slug: true,
  title: true,
  description: true,
  config: true,
  creditsCost: true,
  isActive: true,
  version: true,
  toolType: { select: toolTypeFields },
} as const

/** The tools that users see, by title. */
export async function listTools(database: Database): Promise<Tool[]> {
  const rows = await database.prisma.tool.findMany({
    where: { isActive: true },
    orderBy: [{ title: 'asc' }, { id: 'asc' }],
    take: toolsMax,
    select,
  })
  return rows.map(toTool)
}

/** The tool of the slug, active or not. */
export async function findTool(database: Database, slug: string): Promise<Tool | undefined> {
  const { rows } = await database.query<ToolRow>(
    prepared(sql`
      SELECT t.id, t.slug, t.title, t.description, t.config, t.credits_cost AS "creditsCost",
        t.is_active AS "isActive", t.version,
        json_build_object('id', y.id, 'name', y.name, 'displayName', y.display_name,
          'icon', y.icon, 'color', y.color) AS "toolType"
      FROM tools t JOIN tool_types y ON y.id = t.tool_type_id WHERE t.slug = ${slug}
    `),
  )
  return rows[0] && toTool(rows[0])
}

type ToolRow = Omit<Tool, 'type' | 'config'> & {
  readonly config: unknown
  readonly toolType: ToolType
}

/** Throws for a config that is not of the form: nothing writes such a one. */
export function toTool({ toolType, config, ...row }: ToolRow): Tool {
  if (!configForm.Check(config)) throw new Error(`the config of tool ${row.slug} is not valid`)
  return { ...row, config, type: toolType }
}

/** The step of the id, or the first. Throws VALIDATION_FAILED when the tool has no such step. */
export function readStep(tool: Tool, stepId?: string): ToolStep {
  const { steps } = tool.config
  const step = stepId === undefined ? steps[0] : steps.find(step => step.id === stepId)
  if (step) return step
  throw new AppError('VALIDATION_FAILED', {
    details: {
      field: 'stepId',
      suggestion: `The steps of ${tool.slug} are ${steps.map(step => step.id).join(', ')}.`,
    },
  })
}

export interface StepSubmission {
  readonly userId: UserId
  readonly tool: Tool
  readonly step: ToolStep
  readonly parentTaskId?: TaskId | undefined
}

/**
 * Refuses a step whose turn has not come (T8): a later step needs a task of the step before as its
 * parent, which may be under way still and is then waited for; a first step may follow any task
 * that has completed. Returns the parent. Throws NOT_FOUND for a foreign parent, STEP_ORDER
 * otherwise.
 */
export async function requireStepOrder(
  database: Database,
  submission: StepSubmission,
): Promise<Task | undefined> {
  const { userId, tool, step, parentTaskId } = submission
  const place = tool.config.steps.findIndex(({ id }) => id === step.id)
  const stepBefore = tool.config.steps[place - 1]
  if (parentTaskId === undefined) {
    if (stepBefore) throw stepOrder(stepBefore)
    return undefined
  }
  const parent = await findTask(database, { userId, taskId: parentTaskId })
  if (!parent) throw new AppError('NOT_FOUND', { details: { field: 'parentTaskId' } })
  if (parent.status === 'failed' || parent.status === 'canceled') throw stepOrder(parent.step)
  if (!stepBefore) {
    if (parent.status !== 'completed') throw stepOrder(parent.step)
    return parent
  }
  if (parent.toolId !== tool.id || parent.step.id !== stepBefore.id) throw stepOrder(stepBefore)
  return parent
}

function stepOrder({ id }: ToolStep): AppError {
  const suggestion = `Give a task of the step ${id} as parentTaskId that has not failed.`
  return new AppError('STEP_ORDER', { details: { field: 'parentTaskId', suggestion } })
}

/** Creates the type, or replaces the one of that name; returns its id. */
export async function saveToolType(database: Database, type: NewToolType): Promise<string> {
  const { id } = await database.prisma.toolType.upsert({
    where: { name: type.name },
    create: { id: newId(), ...type },
    update: { ...type },
    select: { id: true },
  })
  return id
}

/**
 * Creates the tool, or replaces the one of that slug and raises its version if anything differs.
 * Throws VALIDATION_FAILED for a config of another form and for a type that is not there.
 */
export async function saveTool(database: Database, tool: NewTool): Promise<Tool> {
  if (!configForm.Check(tool.config)) throw invalidTool('config')
  const type = await database.prisma.toolType.findUnique({ where: { name: tool.typeName } })
  if (!type) throw invalidTool('typeName')
  await database.query(sql`
    INSERT INTO tools (id, slug, title, description, tool_type_id, config, credits_cost, is_active)
    VALUES (${newId()}, ${tool.slug}, ${tool.title}, ${tool.description}, ${type.id},
      ${JSON.stringify(tool.config)}::jsonb, ${tool.creditsCost}, ${tool.isActive})
    ON CONFLICT (slug) DO UPDATE SET title = excluded.title, description = excluded.description,
      tool_type_id = excluded.tool_type_id, config = excluded.config,
      credits_cost = excluded.credits_cost, is_active = excluded.is_active,
      version = tools.version + 1, updated_at = now()
    WHERE (tools.title, tools.description, tools.tool_type_id, tools.config, tools.credits_cost,
      tools.is_active) IS DISTINCT FROM (excluded.title, excluded.description,
      excluded.tool_type_id, excluded.config, excluded.credits_cost, excluded.is_active)
  `)
  const saved = await findTool(database, tool.slug)
  if (!saved) throw new Error(`tool ${tool.slug} vanished while it was saved`)
  return saved
}

function invalidTool(field: string): AppError {
  return new AppError('VALIDATION_FAILED', { details: { field } })
}
