/** A value out of a form: a text, or what its brackets made of it. */
export type FormValue = string | FormObject
export interface FormObject {
  readonly [name: string]: FormValue
}

/** Reads `line_items[0][price_data][currency]=usd` as Stripe does, into nested objects. */
export function parseForm(body: string): FormObject {
  const root: Record<string, FormValue> = {}
  for (const [name, value] of new URLSearchParams(body)) place(root, pathOf(name), value)
  return root
}

function pathOf(name: string): string[] {
  const [head = '', ...rest] = name.split('[')
  return [head, ...rest.map(part => part.replace(/\]$/, ''))]
}

function place(root: Record<string, FormValue>, path: readonly string[], value: string): void {
  let at = root
  for (const part of path.slice(0, -1)) {
    const next = at[part]
    const child: Record<string, FormValue> = typeof next === 'object' ? { ...next } : {}
    at[part] = child
    at = child
  }
  at[path.at(-1) ?? ''] = value
}

/** The text at the path, or undefined. */
export function textAt(form: FormObject, ...path: string[]): string | undefined {
  let at: FormValue | undefined = form
  for (const part of path) at = typeof at === 'object' ? at[part] : undefined
  return typeof at === 'string' ? at : undefined
}

/** The pairs of an object such as metadata. */
export function pairsAt(form: FormObject, name: string): Record<string, string> {
  const at = form[name]
  if (typeof at !== 'object') return {}
  const texts = Object.entries(at).flatMap(([key, value]) =>
    typeof value === 'string' ? [[key, value] as const] : [],
  )
  return Object.fromEntries(texts)
}
