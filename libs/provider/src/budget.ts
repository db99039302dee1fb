import type { ProviderConfig } from '@funmagic/contract/provider-config'

const microsPerUsd = 1_000_000

export function toMicroUsd(usd: number): number {
  return Math.round(usd * microsPerUsd)
}

export function toUsd(micros: number): number {
  return micros / microsPerUsd
}

/** What is set down for one call; 0 where the operator has not said what it takes. */
export function callCostMicroUsd({ costPerCallUsd = 0 }: ProviderConfig): number {
  return toMicroUsd(costPerCallUsd)
}

/** Undefined where nothing bounds what is spent in a day, or no call is known to cost anything. */
export function dailyBudgetMicroUsd(config: ProviderConfig): number | undefined {
  const { dailyBudgetUsd } = config
  if (dailyBudgetUsd === undefined || callCostMicroUsd(config) === 0) return undefined
  return toMicroUsd(dailyBudgetUsd)
}

const dayMs = 86_400_000

/** When budgets begin anew: the days are those of UTC. */
export function secondsToMidnight(nowMs: number): number {
  return Math.ceil((dayMs - (nowMs % dayMs)) / 1000)
}
