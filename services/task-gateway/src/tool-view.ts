import type { ToolView } from '@funmagic/contract/tool'
import type { Tool } from '@funmagic/task/catalog'

/** The tool as anyone sees it: what it costs and takes, but not which provider runs it. */
export function toToolView(tool: Tool): ToolView {
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
    steps: config.steps.map(step => ({
      id: step.id,
      name: step.name,
      type: step.type,
      cost: step.cost,
    })),
    styleReferences: (config.styleReferences ?? []).map(style => ({
      id: style.id,
      name: style.name,
      imageUrl: style.imageUrl ?? null,
    })),
  }
}
