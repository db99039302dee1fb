import { once } from 'node:events'
import { createServer } from 'node:net'
import { describeHolder } from './port-holder.ts'
import { Refusal } from './refusal.ts'

export const host = '127.0.0.1'

/** Every port of the local system, by its distance from FUNMAGIC_PORT_BASE. */
const offsets = {
  edge: 0,
  cdn: 1,
  privateCdn: 2,
  providers: 3,
  s3: 4,
  postgres: 5,
  redis: 6,
  stripe: 7,
  auth: 11,
  asset: 12,
  credit: 13,
  taskGateway: 14,
  progress: 15,
  // 9090 with the default base, as the seeds say.
  providerWorker: 1010,
} as const

export type PortName = keyof typeof offsets
export type Ports = Readonly<Record<PortName, number>>

const baseDefault = 8080
const portMax = 65_535
const portNames = Object.keys(offsets).filter(isPortName)

/** FUNMAGIC_PORT_BASE moves all ports, FUNMAGIC_PORT_EDGE and its like one. Throws a Refusal. */
export function readPorts(environment: NodeJS.ProcessEnv): Ports {
  const base = readPort(environment, 'FUNMAGIC_PORT_BASE') ?? baseDefault
  const entries = portNames.map(name => {
    return [name, readPort(environment, variableOf(name)) ?? base + offsets[name]] as const
  })
  const tooHigh = entries.find(([, port]) => port > portMax)
  if (tooHigh !== undefined) {
    throw new Refusal(`FUNMAGIC_PORT_BASE is too high: ${tooHigh[0]} would get ${tooHigh[1]}.`)
  }
  const numbers = entries.map(([, port]) => port)
  const twice = numbers.find((port, index) => numbers.indexOf(port) !== index)
  if (twice !== undefined)
    throw new Refusal(`Two ports are both ${twice}: give one another number.`)
  // The entries are made from all names.
  return Object.fromEntries(entries) as Ports
}

function variableOf(name: PortName): string {
  return `FUNMAGIC_PORT_${name.replaceAll(/[A-Z]/g, letter => `_${letter}`).toUpperCase()}`
}

/** Throws a Refusal that names every taken port, who holds it, and what to do about it. */
export async function requireFreePorts(ports: Ports, wanted: readonly PortName[]): Promise<void> {
  const taken: PortName[] = []
  for (const name of wanted) if (!(await isFree(ports[name]))) taken.push(name)
  if (taken.length === 0) return
  // At most one for each port name.
  const lines = await Promise.all(
    taken.map(
      async name => `  ${ports[name]} (${name}) is held by ${await describeHolder(ports[name])}`,
    ),
  )
  const first = taken[0] ?? 'edge'
  throw new Refusal(
    [
      'These ports are needed and taken:',
      ...lines,
      'End what holds them, or choose others: all at once with',
      `  FUNMAGIC_PORT_BASE=18080 npm start`,
      'or one by one, for example with',
      `  ${variableOf(first)}=${ports[first] + 10_000} npm start`,
    ].join('\n'),
  )
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const listening = new Promise<boolean>(resolve => {
    server.once('listening', () => resolve(true))
    server.once('error', () => resolve(false))
  })
  server.listen({ port, host, exclusive: true })
  const isListening = await listening
  if (isListening) {
    server.close()
    await once(server, 'close')
  }
  return isListening
}

function readPort(environment: NodeJS.ProcessEnv, variable: string): number | undefined {
  const text = environment[variable]
  if (text === undefined || text === '') return undefined
  if (/^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= portMax) return Number(text)
  throw new Refusal(`${variable} is ${JSON.stringify(text)}: it must be a port number.`)
}

function isPortName(name: string): name is PortName {
  return Object.hasOwn(offsets, name)
}
