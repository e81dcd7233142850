-- What package posting needs beyond the first schema.

-- +goose Up
-- What was last sent, which may be older than what is wanted, and what the target confirmed: a difference is named from it.
ALTER TABLE posting ADD COLUMN sent_document {{blob}};
ALTER TABLE posting ADD COLUMN sent_hash {{text}} NOT NULL DEFAULT '';
ALTER TABLE posting ADD COLUMN sent_version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE posting ADD COLUMN confirmed_document {{blob}};
-- 0 when no fold wants it any longer, and it could not simply be superseded.
ALTER TABLE posting ADD COLUMN wanted BIGINT NOT NULL DEFAULT 1;
-- The natural key of the posting that this one is a follow-up of, and which one it is; the first is 1.
ALTER TABLE posting ADD COLUMN chain_key {{text}} NOT NULL DEFAULT '';
ALTER TABLE posting ADD COLUMN chain_number BIGINT NOT NULL DEFAULT 1;
-- What a person does about the fault.
ALTER TABLE posting ADD COLUMN fault_remedy {{text}} NOT NULL DEFAULT '';
-- 1 when the exceptions and receipts of this posting must be brought in line with it; the sender does it in its next step.
ALTER TABLE posting ADD COLUMN case_due BIGINT NOT NULL DEFAULT 0;
CREATE INDEX posting_case ON posting (target, case_due);
CREATE INDEX posting_serial ON posting (tenant, target, serial_key, id);
-- Covering, else SQLite takes the primary key and reads all dependencies of the tenant.
DROP INDEX posting_needed;
CREATE INDEX posting_needed ON posting_dependency (tenant, needs_target, needs_kind, needs_key, target, kind, natural_key);
-- In the order in which work is taken, so that a long backlog is not sorted to find its head.
DROP INDEX posting_work;
CREATE INDEX posting_work ON posting (target, state, ready_at, id);
