import Type, { type Static } from 'typebox'
import { BasedOn, Reason } from './admin-event.ts'
import { Id } from './ids.ts'
import { pageQuery } from './page.ts'
import { ToolConfig } from './tool.ts'

const Slug = Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,63}$', examples: ['background-remove'] })
const Line = (maxLength: number) =>
  Type.String({ minLength: 1, maxLength, pattern: '^\\P{Cc}*\\S\\P{Cc}*$' })
const orNull = <Schema extends Type.TSchema>(schema: Schema) => Type.Union([schema, Type.Null()])
const stamps = {
  version: Type.Integer(),
  createdAt: Type.String({ format: 'date-time' }),
  updatedAt: Type.String({ format: 'date-time' }),
}

const typeFields = {
  displayName: Line(100),
  icon: orNull(Line(64)),
  color: orNull(Type.String({ pattern: '^#[0-9a-f]{6}$', examples: ['#2f9e8f'] })),
  description: orNull(Line(500)),
  isActive: Type.Boolean({ description: 'Switched off, no tool can be given the type' }),
}

export const AdminToolTypeView = Type.Object({ id: Id, name: Slug, ...typeFields, ...stamps })
export type AdminToolTypeView = Static<typeof AdminToolTypeView>

export const CreateToolType = Type.Object(
  {
    name: Slug,
    ...Type.Partial(Type.Object(typeFields)).properties,
    displayName: typeFields.displayName,
    reason: Type.Optional(Reason),
  },
  { additionalProperties: false },
)
export type CreateToolType = Static<typeof CreateToolType>

/** What is left out stays as it is; the name never changes. */
export const ChangeToolType = Type.Object(
  {
    ...Type.Partial(Type.Object(typeFields)).properties,
    version: Type.Optional(BasedOn),
    reason: Type.Optional(Reason),
  },
  { additionalProperties: false },
)
export type ChangeToolType = Static<typeof ChangeToolType>

const toolFields = {
  title: Line(200),
  description: orNull(Type.String({ maxLength: 2000 })),
  typeName: Slug,
  config: ToolConfig,
  isActive: Type.Boolean({
    description: 'Switched off, it answers users like one that is not there',
  }),
}

export const AdminToolView = Type.Object({
  id: Id,
  slug: Slug,
  ...toolFields,
  creditsCost: Type.Integer({ description: 'Of all steps together' }),
  ...stamps,
})
export type AdminToolView = Static<typeof AdminToolView>

export const CreateTool = Type.Object(
  {
    slug: Slug,
    ...toolFields,
    description: Type.Optional(toolFields.description),
    isActive: Type.Optional(toolFields.isActive),
    reason: Type.Optional(Reason),
  },
  { additionalProperties: false },
)
export type CreateTool = Static<typeof CreateTool>

/** What is left out stays as it is; the slug never changes. */
export const ChangeTool = Type.Object(
  {
    ...Type.Partial(Type.Object(toolFields)).properties,
    version: Type.Optional(BasedOn),
    reason: Type.Optional(Reason),
  },
  { additionalProperties: false },
)
export type ChangeTool = Static<typeof ChangeTool>

/** One of the versions that a tool has had; tasks and quotes name them. */
export const ToolVersionView = Type.Object({
  version: Type.Integer(),
  title: Type.String(),
  description: orNull(Type.String()),
  config: ToolConfig,
  creditsCost: Type.Integer(),
  isActive: Type.Boolean(),
  createdAt: Type.String({ format: 'date-time' }),
})
export type ToolVersionView = Static<typeof ToolVersionView>

export const ListAdminToolsQuery = Type.Object(
  {
    ...pageQuery,
    isActive: Type.Optional(Type.Boolean()),
    typeName: Type.Optional(Slug),
  },
  { additionalProperties: false },
)
export type ListAdminToolsQuery = Static<typeof ListAdminToolsQuery>
