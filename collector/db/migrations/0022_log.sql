-- Cheaper ways to the facts of an event and to what has no position: both grow at their end.

-- +goose Up
DROP INDEX fact_event;
CREATE INDEX fact_log ON fact (log_id);
DROP INDEX receipt_unplaced;
CREATE INDEX receipt_unplaced ON receipt (tenant, site) WHERE position IS NULL;
