// What CloudFront takes at one time: 3,000 files and, apart from them, 15 wildcards in progress
// (AWS, "Concurrent invalidation request maximum"). A batch that would not fit any more as files is
// named by wildcards, which makes edges fetch again a few objects that stay public.

const filesMax = 3_000
const wildcardsMax = 15
/** More files than this in one invalidation are named by the folders of their owners. */
const filesPerInvalidationMax = 1_000
const everything = '/public/*'

/** The paths that name these public keys, or undefined when none may be sent now. Pure. */
export function choosePaths(
  keys: readonly string[],
  inProgress: { readonly files: number; readonly wildcards: number },
): string[] | undefined {
  const files = [...new Set(keys.map(key => `/${key}`))].toSorted()
  const filesFree = Math.min(filesMax - inProgress.files, filesPerInvalidationMax)
  if (files.length <= filesFree) return files
  const folders = [...new Set(files.map(folderOf))].toSorted()
  const wildcardsFree = wildcardsMax - inProgress.wildcards
  if (folders.length <= wildcardsFree) return folders
  return wildcardsFree > 0 ? [everything] : undefined
}

/** All that one user has shared, or one module of ours. */
function folderOf(path: string): string {
  const [, , kind, owner] = path.split('/')
  return kind === 'shared' || kind === 'ops' ? `/public/${kind}/${owner}/*` : everything
}
