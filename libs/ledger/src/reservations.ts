import type { ReservationId, UserId } from '@funmagic/contract/ids'
import type { Queryable } from '@funmagic/database/client'
import type { Transaction } from '@funmagic/database/transaction'
import type { Balance } from './accounts.ts'

export interface NewReservation {
  readonly userId: UserId
  /** The task that the credits are set aside for; one task has one reservation (M5). */
  readonly referenceId: string
  readonly amount: number
  readonly deadlineAt: Date
  readonly description?: string | undefined
}

/** Thrown when a reservation has been settled before. Nothing was written. */
export class AlreadySettled extends Error {
  readonly reservationId: ReservationId
  readonly state: 'confirmed' | 'released'

  constructor(reservationId: ReservationId, state: 'confirmed' | 'released') {
    super(`reservation ${reservationId} is already ${state}`)
    this.name = 'AlreadySettled'
    this.reservationId = reservationId
    this.state = state
  }
}

/**
 * Sets credits aside for a task (C4). Throws INSUFFICIENT_CREDITS and writes nothing when the
 * balance would go below zero.
 */
export declare function reserve(
  tx: Transaction,
  reservation: NewReservation,
): Promise<ReservationId>

/**
 * Spends at most the reserved amount; the rest returns to the balance. Throws AlreadySettled and
 * writes nothing the second time; the transaction stays usable.
 */
export declare function confirm(
  tx: Transaction,
  reservationId: ReservationId,
  spent: number,
): Promise<Balance>

/** Returns the whole reservation to the balance. Throws AlreadySettled like confirm. */
export declare function release(tx: Transaction, reservationId: ReservationId): Promise<Balance>

export interface OverdueReservation {
  readonly reservationId: ReservationId
  readonly userId: UserId
  readonly referenceId: string
  readonly amount: number
  readonly deadlineAt: Date
}

/** Open reservations past their deadline, oldest first (M9). */
export declare function findOverdueReservations(
  database: Queryable,
  options: { limit: number },
): Promise<OverdueReservation[]>
