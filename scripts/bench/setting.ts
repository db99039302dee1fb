import type { Database } from '@funmagic/database/client'
import { createTestDatabase } from '@funmagic/database/testing'
import { startPlatform, type Platform } from '../test/platform/platform.ts'

/** What a case of the bench works with; everything is closed when the case has ended. */
export interface Setting {
  /** An empty, migrated database of its own. */
  openDatabase(): Promise<{ readonly database: Database; readonly url: string }>
  /** The whole system, with production's code and its own database and Redis. */
  startPlatform(variables?: Readonly<Record<string, string>>): Promise<Platform>
  onClose(work: () => unknown): void
  /** Tells the reader what is not a comparison: sizes, counts. */
  note(text: string): void
}

export function createSetting(stack: AsyncDisposableStack, note: (text: string) => void): Setting {
  const onClose = (work: () => unknown) => {
    stack.defer(async () => {
      await work()
    })
  }
  const teardown = { teardown: onClose }
  return {
    openDatabase: () => createTestDatabase(teardown),
    startPlatform: variables => startPlatform(teardown, variables),
    onClose,
    note,
  }
}
