import type { ToolView } from '@funmagic/contract/tool'
import type { Tool } from '@funmagic/task/catalog'
import type { Availability } from './provider-availability.ts'

/**
 * The tool as anyone sees it: what it costs and takes and whether it can be run now, but not which
 * provider runs it.
 */
export async function toToolView(tool: Tool, availability: Availability): Promise<ToolView> {
  const { id, slug, title, description, type, creditsCost, config } = tool
  return {
    id,
    slug,
    title,
    description,
    type: {
      name: type.name,
      displayName: type.displayName,
      icon: type.icon,
      color: type.color,
    },
    creditsCost,
    // A config has twenty steps at most.
    steps: await Promise.all(
      config.steps.map(async step => ({
        id: step.id,
        name: step.name,
        type: step.type,
        cost: step.cost,
        ...(await availability.look(step)),
      })),
    ),
    styleReferences: (config.styleReferences ?? []).map(style => ({
      id: style.id,
      name: style.name,
      imageUrl: style.imageUrl ?? null,
    })),
  }
}
