-- Runs that compare facts and states with the event log, and put them right.

-- +goose Up
-- kind is "check" or "rebuild", phase "facts", "states", "switch", "verify" or "done". after_log and after_tenant/after_key are how far it has come;
-- tenant and fold_key limit it, '' for all.
CREATE TABLE rebuild (
    number      {{serial}},
    kind        {{text}} NOT NULL,
    tenant      {{text}} NOT NULL DEFAULT '',
    fold_key    {{text}} NOT NULL DEFAULT '',
    phase       {{text}} NOT NULL,
    after_log   BIGINT NOT NULL DEFAULT 0,
    after_tenant {{text}} NOT NULL DEFAULT '',
    after_key   {{text}} NOT NULL DEFAULT '',
    events      BIGINT NOT NULL DEFAULT 0,
    facts       BIGINT NOT NULL DEFAULT 0,
    keys        BIGINT NOT NULL DEFAULT 0,
    pending     BIGINT NOT NULL DEFAULT 0,
    differing   BIGINT NOT NULL DEFAULT 0,
    remaining   BIGINT NOT NULL DEFAULT 0,
    started_at  BIGINT NOT NULL,
    changed_at  BIGINT NOT NULL
);
CREATE INDEX rebuild_kind ON rebuild (kind, number);
-- What differs. log_id is the event of a fact, 0 for the state of a key; settled: 0 not yet, 1 put right, to be looked at again, 2 agrees, 3 differs still.
CREATE TABLE rebuild_difference (
    number      BIGINT NOT NULL,
    tenant      {{text}} NOT NULL,
    fold_key    {{text}} NOT NULL,
    log_id      BIGINT NOT NULL,
    event_id    {{text}} NOT NULL DEFAULT '',
    what        {{text}} NOT NULL,
    detail      {{text}} NOT NULL DEFAULT '',
    settled     BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (number, tenant, fold_key, log_id)
);
