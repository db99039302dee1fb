-- What a provider has taken since midnight is summed from the index alone.
CREATE INDEX CONCURRENTLY "provider_calls_spend" ON "provider_calls" ("provider_id", "created_at") INCLUDE ("cost_micro_usd") WHERE "cost_micro_usd" > 0;
