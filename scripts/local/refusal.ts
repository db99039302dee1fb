/** A fault that the person at the keyboard can act on; it is shown without a stack. */
export class Refusal extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'Refusal'
  }
}

/** Runs a script: a refusal is printed as it stands, anything else with its stack; both exit 1. */
export async function runScript(main: () => Promise<void>): Promise<void> {
  try {
    await main()
  } catch (error) {
    const text = error instanceof Refusal ? error.message : describe(error)
    process.stderr.write(`\n${text}\n`)
    process.exitCode = 1
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
