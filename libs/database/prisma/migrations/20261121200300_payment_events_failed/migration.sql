-- Those that a person has to look at, for the metrics.
CREATE INDEX CONCURRENTLY "payment_events_failed" ON "payment_events" ("id") WHERE "state" = 'failed';
