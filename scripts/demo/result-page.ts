import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Story } from './story.ts'

/** Leaves both pictures and a page with them side by side; answers the page's path. */
export async function writeResultPage(folder: string, story: Story): Promise<string> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'before.jpg'), story.before)
  await writeFile(join(folder, 'after.png'), story.after)
  const page = join(folder, 'index.html')
  await writeFile(page, renderPage(story))
  return page
}

function renderPage({ chapters, publicUrl }: Story): string {
  const rows = chapters.map(({ title, detail, seconds }) => {
    const cells = [escapeHtml(title), `${seconds.toFixed(2)} s`, escapeHtml(detail)]
    return `<tr>${cells.map(cell => `<td>${cell}</td>`).join('')}</tr>`
  })
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>FunMagic demo</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem }
  body { padding: 0 1rem }
  .pictures { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem }
  figure { margin: 0 }
  img { display: block; width: 100% }
  .after img { background: repeating-conic-gradient(#ddd 0 25%, #fff 0 50%) 0 0 / 24px 24px }
  table { border-collapse: collapse; margin-top: 2rem; width: 100% }
  td { border-top: 1px solid #ccc; overflow-wrap: anywhere; padding: .4rem .6rem }
  td { vertical-align: top }
  td:first-child { min-width: 14rem }
  td:nth-child(2) { white-space: nowrap }
</style>
<h1>Remove background</h1>
<div class="pictures">
  <figure>
    <img src="before.jpg" alt="The picture as it was uploaded">
    <figcaption>Before</figcaption>
  </figure>
  <figure class="after">
    <img src="after.png" alt="The subject on a transparent ground">
    <figcaption>After</figcaption>
  </figure>
</div>
<p>Published at <a href="${escapeHtml(publicUrl)}">${escapeHtml(publicUrl)}</a> (while it runs).</p>
<table>${rows.join('\n')}</table>
`
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
