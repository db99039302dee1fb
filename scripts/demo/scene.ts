import sharp from 'sharp'

const width = 1200
const height = 900

/** A still life in soft light, as a camera would bring it: flowers in a glazed vase. */
export async function makeScene(): Promise<Buffer> {
  const wall = await softened(wallSvg, 18)
  const shadow = await softened(shadowSvg, 22)
  const subject = await softened(vaseSvg, 0.8)
  const grain = await makeGrain()
  return sharp(wall)
    .composite([{ input: shadow }, { input: subject }, { input: grain, blend: 'overlay' }])
    .jpeg({ quality: 88 })
    .toBuffer()
}

function softened(content: string, sigma: number): Promise<Buffer> {
  const size = `width="${width}" height="${height}"`
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" ${size}>${content}</svg>`
  return sharp(Buffer.from(svg)).blur(sigma).png().toBuffer()
}

/** Film grain: grey noise that overlays without shifting the light. */
function makeGrain(): Promise<Buffer> {
  const noise = { type: 'gaussian', mean: 128, sigma: 7 } as const
  return sharp({ create: { width, height, channels: 3, background: '#808080', noise } })
    .ensureAlpha(0.5)
    .png()
    .toBuffer()
}

const wallSvg = `
  <defs>
    <linearGradient id="wall" x1="0" y1="0" x2="1" y2="0.6">
      <stop offset="0" stop-color="#dfe3dd"/><stop offset="1" stop-color="#c3cac5"/>
    </linearGradient>
    <linearGradient id="table" x1="0" y1="0" x2="0" y2="1">
      <stop offset="0" stop-color="#d3d6cf"/><stop offset="1" stop-color="#e2e4de"/>
    </linearGradient>
  </defs>
  <rect width="${width}" height="${height}" fill="url(#wall)"/>
  <rect y="660" width="${width}" height="240" fill="url(#table)"/>`

const shadowSvg = '<ellipse cx="690" cy="785" rx="250" ry="30" fill="#5d6661" opacity="0.4"/>'

const vasePath = `M505 300 L 715 300 C 690 370 720 400 760 480 C 815 590 790 730 700 790
  L 520 790 C 430 730 405 590 460 480 C 500 400 530 370 505 300 Z`

const vaseSvg = `
  <defs>
    <linearGradient id="glaze" x1="0" y1="0" x2="1" y2="0">
      <stop offset="0" stop-color="#0f4c5c"/><stop offset="0.28" stop-color="#2a8c9c"/>
      <stop offset="0.62" stop-color="#12586a"/><stop offset="1" stop-color="#08303b"/>
    </linearGradient>
    <linearGradient id="band" x1="0" y1="0" x2="1" y2="0">
      <stop offset="0" stop-color="#a5531f"/><stop offset="0.28" stop-color="#e8934a"/>
      <stop offset="1" stop-color="#733210"/>
    </linearGradient>
    <radialGradient id="bloom" cx="0.38" cy="0.35" r="0.75">
      <stop offset="0" stop-color="#e4572e"/><stop offset="1" stop-color="#8c1c13"/>
    </radialGradient>
    <clipPath id="vase"><path d="${vasePath}"/></clipPath>
  </defs>
  <g fill="none" stroke="#3d5a2a" stroke-width="11" stroke-linecap="round">
    <path d="M600 310 C 590 230 560 180 520 130"/><path d="M612 310 C 615 220 625 160 640 90"/>
    <path d="M625 310 C 650 240 700 200 745 175"/>
  </g>
  <g fill="url(#bloom)">
    <circle cx="512" cy="120" r="44"/><circle cx="642" cy="82" r="50"/>
    <circle cx="756" cy="168" r="40"/>
  </g>
  <path d="${vasePath}" fill="url(#glaze)"/>
  <path d="M400 545 C 520 585 700 585 820 545 L 820 655 C 700 695 520 695 400 655 Z"
    fill="url(#band)" clip-path="url(#vase)"/>
  <ellipse cx="610" cy="300" rx="106" ry="22" fill="#072730"/>
  <path d="M527 400 C 487 480 477 600 495 690" fill="none" stroke="#e9fbff"
    stroke-width="16" stroke-linecap="round" opacity="0.55"/>`
