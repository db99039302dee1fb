import type { UserId } from '@funmagic/contract/ids'
import type { Database } from '@funmagic/database/client'
import type { Tool } from './catalog.ts'

/** A tool with one or more steps, for tests that need tasks and not a particular tool. */
export declare function createTestTool(
  database: Database,
  tool?: { slug?: string; cost?: number; stepIds?: readonly string[]; isActive?: boolean },
): Promise<Tool>

/** A user without an account at an auth provider, for tests below the auth service. */
export declare function createBareUser(database: Database): Promise<UserId>
