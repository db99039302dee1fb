import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import sharp from 'sharp'
import type { Report } from '../local/report.ts'
import { step } from '../local/report.ts'
import { plantAccounts } from '../seeds/accounts.ts'
import { Checker } from './checker.ts'
import { FaultLog, healingName } from './fault-log.ts'
import { healAll, injectAll } from './faults.ts'
import { History } from './history.ts'
import type { Violation } from './invariants.ts'
import { judge, type Judgement } from './judgement.ts'
import { startLab, type Lab } from './lab.ts'
import { Operators } from './operators.ts'
import { Random } from './random.ts'
import { nameOf, planFaults, type PlannedFault } from './schedule.ts'
import { settle, type Backlog } from './settling.ts'
import { Visitor } from './visitor.ts'

export interface ChaosOptions {
  readonly seed: number
  readonly seconds: number
  readonly users: number
  readonly faultsPerMinute: number
  readonly settleSeconds: number
  readonly logsFolder?: string | undefined
  readonly report: Report
  readonly signal: AbortSignal
}

export interface ChaosResult {
  readonly seed: number
  readonly seconds: number
  readonly users: number
  readonly faultsPerMinute: number
  readonly schedule: readonly PlannedFault[]
  readonly requests: Readonly<Record<string, number>>
  readonly people: string
  readonly faults: Readonly<Record<string, number>>
  readonly kills: number
  /** Links that were broken for a while. */
  readonly cuts: number
  readonly snapshots: number
  readonly missedSnapshots: number
  readonly checks: number
  readonly violations: readonly Violation[]
  readonly settledMs: number
  readonly left: Backlog
  readonly judgement: Judgement
  readonly isSound: boolean
}

// Whoever orders while everything breaks may have to ask for long.
const lastRequestsMs = 90_000
const settleGraceMs = 2_000

/** One run of chaos: everything that it decides follows from the seed. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { seconds, users, report, signal } = options
  const schedule = planFaults(options)
  report.print(describeSchedule(schedule))
  const log = new FaultLog()
  await using lab = await startLab({ ...options, log })
  const history = new History()
  const checker = new Checker({
    database: lab.database,
    quietMs: () => log.quietMs(),
    onViolation: ({ invariant, claim, rows }) => {
      report.warn(`VIOLATED ${invariant}: ${claim} ${JSON.stringify(rows.slice(0, 3))}`)
    },
  })
  const checking = new AbortController()
  const checked = checker.run(checking.signal)
  try {
    const visitors = await makeVisitors(lab, history, options)
    const operators = await startOperators(lab, history, options)
    await step(report, `${seconds} s of ${users} users and ${schedule.length} faults`, () =>
      disturb(lab, { schedule, log, history, people: [...visitors, operators], options }),
    )
    const { settledMs, left } = await step(report, 'Everything that was begun has ended', () =>
      settle(lab, { history, deadlineMs: options.settleSeconds * 1000, signal }),
    )
    // As many as there are users, which the command line bounds; so below.
    await Promise.all(visitors.map(visitor => visitor.collectAddresses()))
    const judgement = await step(report, 'What the clients saw is judged', () =>
      judge({ lab, history, faults: log }),
    )
    checking.abort()
    await checked
    await checker.check()
    const result = {
      settledMs,
      left,
      judgement,
      requests: history.countByStatus(),
      people: history.describe(),
    }
    return { ...describeRun(options, schedule), ...describeFaults(log), ...finish(checker, result) }
  } finally {
    checking.abort()
    await checked
  }
}

interface Disturbance {
  readonly schedule: readonly PlannedFault[]
  readonly log: FaultLog
  readonly history: History
  readonly people: readonly (Visitor | Operators)[]
  readonly options: ChaosOptions
}

/** Users and faults at once; then everything is healed, and what users still wait for is had. */
async function disturb(lab: Lab, disturbance: Disturbance): Promise<void> {
  const { schedule, log, history, people, options } = disturbance
  const endsAt = performance.now() + options.seconds * 1000
  const { signal } = options
  const living = people.map(person => person.live(() => performance.now() > endsAt))
  // One for each user.
  const lives = Promise.all(living)
  // Looked at below; until then a failure must not count as unhandled.
  lives.catch(() => undefined)
  const isWaiting = (request: string) => history.isWaiting(request)
  await injectAll(lab, { plan: schedule, log, isWaiting, signal })
  await pause(Math.max(0, endsAt - performance.now()), undefined, { signal })
  const healing = log.begin(healingName)
  await healAll(lab)
  await pause(settleGraceMs, undefined, { signal })
  healing.endedAt = performance.now()
  const late = pause(lastRequestsMs, 'late', { signal, ref: false })
  if ((await Promise.race([lives, late])) === 'late') {
    throw new Error(`users still wait for answers ${lastRequestsMs / 1000} s after the healing`)
  }
}

async function makeVisitors(
  { addresses }: Lab,
  history: History,
  { seed, users, signal }: ChaosOptions,
): Promise<Visitor[]> {
  // Three pictures.
  const pictures = await Promise.all([64, 160, 320].map(makePicture))
  const { edge, stripe } = addresses
  return Array.from({ length: users }, (_, index) => {
    const random = Random.named(seed, `user ${index}`)
    return new Visitor({ edge, stripe, history, random, pictures, signal })
  })
}

/** The super admin that is there, and another. */
async function startOperators(
  { addresses, database }: Lab,
  history: History,
  { seed, signal }: ChaosOptions,
): Promise<Operators> {
  const password = randomUUID()
  const accountOf = (name: string) => ({ email: `chaos-${name}@funmagic.test`, password })
  const second = accountOf('super-admin')
  const others = { user: accountOf('user'), admin: accountOf('admin') }
  await plantAccounts(database, { ...others, superAdmin: second })
  const operators = new Operators({
    edge: addresses.edge,
    history,
    random: Random.named(seed, 'operators'),
    accounts: [addresses.accounts.superAdmin, second],
    signal,
  })
  await operators.prepare()
  return operators
}

/** A subject on a plain ground. */
function makePicture(size: number): Promise<Buffer> {
  const radius = size / 3
  const circle = `<circle cx="${size / 2}" cy="${size / 2}" r="${radius}" fill="#c0392b"/>`
  const subject = Buffer.from(`<svg width="${size}" height="${size}">${circle}</svg>`)
  return sharp({ create: { width: size, height: size, channels: 3, background: '#dfe6e9' } })
    .composite([{ input: subject }])
    .png()
    .toBuffer()
}

function describeRun(options: ChaosOptions, schedule: readonly PlannedFault[]) {
  const { seed, seconds, users, faultsPerMinute } = options
  return { seed, seconds, users, faultsPerMinute, schedule }
}

function describeFaults(log: FaultLog) {
  const { planned, kills } = log
  const faults: Record<string, number> = {}
  for (const { name } of planned) faults[name] = (faults[name] ?? 0) + 1
  return { faults, kills, cuts: log.count(name => name.startsWith('link ')) }
}

type Outcome = Pick<ChaosResult, 'settledMs' | 'left' | 'judgement' | 'requests' | 'people'>

function finish({ snapshots, missed, checks, violations }: Checker, outcome: Outcome) {
  const isSound =
    violations.length === 0 &&
    outcome.judgement.findings.length === 0 &&
    Object.keys(outcome.left).length === 0
  return { ...outcome, snapshots, missedSnapshots: missed, checks, violations, isSound }
}

function describeSchedule(schedule: readonly PlannedFault[]): string {
  const lines = schedule.map(({ atMs, durationMs, fault }) => {
    const at = `${(atMs / 1000).toFixed(1)} s`.padStart(8)
    const details = fault.kind === 'link' ? ` ${JSON.stringify(fault.mode)}` : ''
    const lasting = durationMs === 0 ? '' : ` for ${(durationMs / 1000).toFixed(1)} s`
    return `${at}  ${nameOf(fault)}${lasting}${details}`
  })
  return ['Faults, from the start of the users:', ...lines].join('\n')
}
