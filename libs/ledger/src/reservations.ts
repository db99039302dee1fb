import assert from 'node:assert/strict'
import { newId, type ReservationId, type UserId } from '@funmagic/contract/ids'
import { AppError } from '@funmagic/contract/problem'
import type { Queryable } from '@funmagic/database/client'
import { prepared, sql, type Sql } from '@funmagic/database/sql'
import type { Transaction } from '@funmagic/database/transaction'
import { balanceOf, type Balance } from './accounts.ts'
import { assertCredits, reservationCreditsMax } from './credits.ts'
import { collectDebt } from './debts.ts'
import { drawForReservation, returnToGrants } from './grant-draws.ts'

export interface NewReservation {
  readonly userId: UserId
  /** The task that the credits are set aside for; one task has one reservation (M5). */
  readonly referenceId: string
  readonly amount: number
  /** An expression is one of the clock of Postgres. */
  readonly deadlineAt: Date | Sql
  readonly description?: string | undefined
}

/** What an account has since a reservation was made or settled. */
export type HeldBalance = Pick<Balance, 'balance' | 'reservedBalance'>

export interface Reserved extends HeldBalance {
  readonly reservationId: ReservationId
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
 * Sets credits aside for a task (C4), those that expire soonest first. Throws INSUFFICIENT_CREDITS
 * and writes nothing when the balance would go below zero.
 */
export async function reserve(tx: Transaction, reservation: NewReservation): Promise<Reserved> {
  assertCredits(reservation.amount, reservationCreditsMax)
  const { userId, amount, referenceId, deadlineAt } = reservation
  const { rows } = await tx.query<Reserved & { grantedBalance: number }>(
    prepared(sql`
    WITH account AS (
      UPDATE credits SET balance = balance - ${amount}, entry_seq = entry_seq + 1,
        reserved_balance = reserved_balance + ${amount}, updated_at = now()
      WHERE user_id = ${userId} AND balance >= ${amount}
      RETURNING user_id, entry_seq, balance, reserved_balance, granted_balance
    ), reservation AS (
      INSERT INTO credit_reservations (id, user_id, reference_id, amount, deadline_at)
      SELECT ${newId()}, user_id, ${referenceId}, ${amount}, ${deadlineAt} FROM account
      RETURNING id
    ), entry AS (
      INSERT INTO credit_transactions (id, user_id, seq, type, amount, available_delta,
        reserved_delta, balance_after, reserved_after, reference_id, reservation_id, description)
      SELECT ${newId()}, user_id, entry_seq, 'reservation', ${-amount}, ${-amount}, ${amount},
        balance, reserved_balance, ${referenceId}, reservation.id,
        ${reservation.description ?? null}
      FROM account, reservation
    )
    SELECT id AS "reservationId", balance, reserved_balance AS "reservedBalance",
      granted_balance AS "grantedBalance"
    FROM reservation, account
  `),
  )
  if (!rows[0]) throw await insufficientCredits(tx, reservation)
  const { grantedBalance, ...reserved } = rows[0]
  const { reservationId } = reserved
  const granted = Math.min(amount, grantedBalance)
  if (granted > 0) await drawForReservation(tx, { userId, reservationId, amount: granted })
  return reserved
}

async function insufficientCredits(tx: Transaction, reservation: NewReservation) {
  const { balance } = await balanceOf(tx, reservation.userId)
  return new AppError('INSUFFICIENT_CREDITS', {
    details: { required: reservation.amount, balance, suggestion: 'Buy credits and try again.' },
  })
}

/**
 * Spends at most the reserved amount; the rest returns to the balance. Throws AlreadySettled and
 * writes nothing the second time; the transaction stays usable.
 */
export async function confirm(
  tx: Transaction,
  reservationId: ReservationId,
  spent: number,
): Promise<HeldBalance> {
  assert(Number.isSafeInteger(spent) && spent >= 0, `cannot spend ${spent} credits`)
  return settle(tx, { reservationId, state: 'confirmed', spent })
}

/** Returns the whole reservation to the balance. Throws AlreadySettled like confirm. */
export async function release(tx: Transaction, reservationId: ReservationId): Promise<HeldBalance> {
  return settle(tx, { reservationId, state: 'released', spent: 0 })
}

interface Settlement {
  readonly reservationId: ReservationId
  readonly state: 'confirmed' | 'released'
  readonly spent: number
}

async function settle(tx: Transaction, settlement: Settlement): Promise<HeldBalance> {
  const { reservationId, state, spent } = settlement
  const type = state === 'confirmed' ? 'spend' : 'release'
  const { rows } = await tx.query<Settled>(
    prepared(sql`
    WITH settled AS (
      UPDATE credit_reservations SET state = ${state}::credit_reservation_state,
        spent_amount = ${spent}, settled_at = now()
      WHERE id = ${reservationId} AND state = 'open' AND amount >= ${spent}
      RETURNING id, user_id, reference_id, amount, granted_amount
    ), account AS (
      UPDATE credits SET balance = credits.balance + settled.amount - ${spent},
        reserved_balance = credits.reserved_balance - settled.amount,
        lifetime_spent = credits.lifetime_spent + ${spent},
        entry_seq = credits.entry_seq + 1, updated_at = now()
      FROM settled WHERE credits.user_id = settled.user_id
      RETURNING credits.*
    ), entry AS (
      INSERT INTO credit_transactions (id, user_id, seq, type, amount, available_delta,
        reserved_delta, balance_after, reserved_after, reference_id, reservation_id)
      SELECT ${newId()}, account.user_id, entry_seq, ${type}::credit_transaction_type,
        CASE ${state} WHEN 'confirmed' THEN -${spent}::bigint ELSE amount END,
        amount - ${spent}, -amount, balance, reserved_balance, reference_id, settled.id
      FROM account, settled
    )
    SELECT balance, reserved_balance AS "reservedBalance", account.user_id AS "userId", debt,
      amount, granted_amount AS granted
    FROM account, settled
  `),
  )
  if (!rows[0]) throw await refusalOf(tx, settlement)
  return distribute(tx, settlement, rows[0])
}

interface Settled extends HeldBalance {
  readonly userId: UserId
  readonly debt: number
  /** How much was reserved, and how much of that came out of grants. */
  readonly amount: number
  readonly granted: number
}

/** What came out of grants was spent first, so it comes back last; and a debt takes its part. */
async function distribute(
  tx: Transaction,
  { reservationId, spent }: Settlement,
  { userId, debt, amount, granted, ...held }: Settled,
): Promise<HeldBalance> {
  const returned = amount - spent
  const toGrants = Math.min(granted, Math.max(0, returned - (amount - granted)))
  if (toGrants > 0) await returnToGrants(tx, { userId, reservationId, amount: toGrants })
  if (debt === 0 || returned === 0) return held
  await collectDebt(tx, userId)
  return balanceOf(tx, userId)
}

async function refusalOf(tx: Transaction, { reservationId, spent }: Settlement): Promise<Error> {
  const { rows } = await tx.query<{ state: 'open' | 'confirmed' | 'released'; amount: number }>(
    sql`SELECT state, amount FROM credit_reservations WHERE id = ${reservationId}`,
  )
  const reservation = rows[0]
  if (!reservation) return new RangeError(`there is no reservation ${reservationId}`)
  if (reservation.state !== 'open') return new AlreadySettled(reservationId, reservation.state)
  return new RangeError(`cannot spend ${spent} of the ${reservation.amount} reserved credits`)
}

export interface OverdueReservation {
  readonly reservationId: ReservationId
  readonly userId: UserId
  readonly referenceId: string
  readonly amount: number
  readonly deadlineAt: Date
}

/** Open reservations past their deadline, oldest first (M9). */
export async function findOverdueReservations(
  database: Queryable,
  options: { limit: number },
): Promise<OverdueReservation[]> {
  const { rows } = await database.query<OverdueReservation>(sql`
    SELECT id AS "reservationId", user_id AS "userId", reference_id AS "referenceId", amount,
      deadline_at AS "deadlineAt"
    FROM credit_reservations WHERE state = 'open' AND deadline_at < now()
    ORDER BY deadline_at LIMIT ${options.limit}
  `)
  return rows
}

/** How long ago the deadline of the longest overdue open reservation passed; 0 without one (M9). */
export async function readOverdueMs(database: Queryable): Promise<number> {
  const { rows } = await database.query<{ overdueMs: number }>(sql`
    SELECT coalesce(greatest(extract(epoch FROM now() - min(deadline_at)) * 1000, 0), 0)::float8
      AS "overdueMs"
    FROM credit_reservations WHERE state = 'open'
  `)
  return rows[0]?.overdueMs ?? 0
}
