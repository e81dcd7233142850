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

-- Every key leads with the column that tells most. A new table has no statistics, and a planner without them takes any index
-- whose first two columns it is given: here these are tenant and target, which are the same in all rows.
DROP INDEX posting_key;
CREATE UNIQUE INDEX posting_key ON posting (natural_key, kind, target, tenant);
CREATE INDEX posting_serial ON posting (serial_key, target, tenant, id);
CREATE INDEX posting_chain ON posting (chain_key, kind, target, tenant);
-- In the order in which work is taken, so that a long backlog is not sorted to find its head.
DROP INDEX posting_work;
CREATE INDEX posting_work ON posting (target, state, ready_at, id);
CREATE INDEX posting_case ON posting (target, case_due, id);
DROP TABLE posting_dependency;
CREATE TABLE posting_dependency (
    tenant      {{text}} NOT NULL,
    target      {{text}} NOT NULL,
    kind        {{text}} NOT NULL,
    natural_key {{text}} NOT NULL,
    needs_target {{text}} NOT NULL,
    needs_kind  {{text}} NOT NULL,
    needs_key   {{text}} NOT NULL,
    PRIMARY KEY (natural_key, kind, target, tenant, needs_key, needs_kind, needs_target)
);
CREATE INDEX posting_needed ON posting_dependency (needs_key, needs_kind, needs_target, tenant);
DROP INDEX posting_event_posting;
CREATE INDEX posting_event_posting ON posting_event (natural_key, kind, target, tenant);
