import sharp, { type Sharp } from 'sharp'
import { randomFrom } from './random.ts'

export interface Canvas {
  readonly width: number
  readonly height: number
}

/** A picture that depends on the prompt alone: a sky of two colours, hills, and shapes. */
export function paint(prompt: string, canvas: Canvas, isTransparent = false): Sharp {
  return sharp(Buffer.from(draw(prompt, canvas, isTransparent)))
}

function draw(prompt: string, canvas: Canvas, isTransparent: boolean): string {
  const random = randomFrom(prompt)
  const hue = Math.floor(random() * 360)
  const layers = [
    ...(isTransparent ? [] : [`<rect width="100%" height="100%" fill="url(#sky)"/>`]),
    ...Array.from({ length: 3 }, (_none, depth) => hill(random, canvas, { hue, depth })),
    ...Array.from({ length: 9 }, () => shape(random, canvas, hue)),
  ]
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${canvas.width}" height="${canvas.height}">` +
    `<defs><linearGradient id="sky" x1="0" y1="0" x2="${random().toFixed(2)}" y2="1">` +
    `<stop offset="0" stop-color="${colour(hue, 70, 28)}"/>` +
    `<stop offset="1" stop-color="${colour(hue + 60, 80, 72)}"/></linearGradient></defs>` +
    `${layers.join('')}</svg>`
  )
}

function hill(
  random: () => number,
  { width, height }: Canvas,
  { hue, depth }: { hue: number; depth: number },
): string {
  const top = height * (0.55 + depth * 0.13)
  const points = Array.from({ length: 4 }, (_none, index) => {
    return `${(width / 3) * index} ${top - random() * height * 0.18}`
  })
  const path = `M ${points[0]} C ${points[1]}, ${points[2]}, ${points[3]}`
  const fill = colour(hue + 120 + depth * 18, 45, 48 - depth * 12)
  return `<path d="${path} L ${width} ${height} L 0 ${height} Z" fill="${fill}" opacity="0.9"/>`
}

function shape(random: () => number, { width, height }: Canvas, hue: number): string {
  const size = (0.04 + random() * 0.12) * Math.min(width, height)
  const x = random() * width
  const y = random() * height * 0.7
  const fill = colour(hue + 180 + random() * 80, 75, 55 + random() * 25)
  const style = `fill="${fill}" opacity="${(0.35 + random() * 0.5).toFixed(2)}"`
  const kind = Math.floor(random() * 3)
  if (kind === 0) return `<circle cx="${x}" cy="${y}" r="${size}" ${style}/>`
  const turn = `transform="rotate(${random() * 360} ${x} ${y})"`
  if (kind === 1) {
    const box = `x="${x - size}" y="${y - size}" width="${size * 2}" height="${size * 2}"`
    return `<rect ${box} rx="${size / 4}" ${style} ${turn}/>`
  }
  const corners = `${x},${y - size} ${x + size},${y + size} ${x - size},${y + size}`
  return `<polygon points="${corners}" ${style} ${turn}/>`
}

function colour(hue: number, saturation: number, lightness: number): string {
  return `hsl(${Math.round(hue) % 360}, ${saturation}%, ${Math.round(lightness)}%)`
}
