-- Calls that their provider is still to be told to stop.
CREATE INDEX CONCURRENTLY "provider_calls_cancel_due" ON "provider_calls" ("cancel_due_at") WHERE "cancel_due_at" IS NOT NULL AND "state" IN ('submitting', 'submitted');
