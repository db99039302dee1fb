import type { Database } from '@funmagic/database/client'
import { toTool, toolTypeFields, type Tool } from './catalog.ts'

/**
 * The tool as it was in one of its versions, which are kept for good (T7); undefined for a version
 * that it never had. Whether it is switched on is told as of now.
 */
export async function findToolVersion(
  database: Database,
  wanted: { slug: string; version: number },
): Promise<Tool | undefined> {
  const row = await database.prisma.toolVersion.findFirst({
    where: { version: wanted.version, tool: { slug: wanted.slug } },
    select: {
      version: true,
      title: true,
      description: true,
      config: true,
      creditsCost: true,
      tool: {
        select: { id: true, slug: true, isActive: true, toolType: { select: toolTypeFields } },
      },
    },
  })
  if (row === null) return undefined
  const { tool, ...version } = row
  return toTool({ ...tool, ...version })
}
