-- +goose Up
-- The events of a posting, from this index alone: else SQLite takes the primary key, which begins with tenant, and goes through all rows
-- of the tenant.
DROP INDEX posting_event_posting;
CREATE INDEX posting_event_posting ON posting_event (tenant, target, kind, natural_key, event_id);
