-- Replays: keys that are folded again, also under another version of the policy; tried first.

-- +goose Up
-- phase is "trying", "tried", "running", "folding", "done" or "cancelled". selection is what it is about, as JSON; token names what was tried. after_key
-- is how far it has come; the counts are of keys but for postings and exceptions.
CREATE TABLE replay (
    number      {{serial}},
    tenant      {{text}} NOT NULL,
    selection   {{text}} NOT NULL,
    phase       {{text}} NOT NULL,
    token       {{text}} NOT NULL DEFAULT '',
    after_key   {{text}} NOT NULL DEFAULT '',
    keys        BIGINT NOT NULL DEFAULT 0,
    unchanged   BIGINT NOT NULL DEFAULT 0,
    changed     BIGINT NOT NULL DEFAULT 0,
    pending     BIGINT NOT NULL DEFAULT 0,
    faulty      BIGINT NOT NULL DEFAULT 0,
    postings_new BIGINT NOT NULL DEFAULT 0,
    postings_changed BIGINT NOT NULL DEFAULT 0,
    postings_gone BIGINT NOT NULL DEFAULT 0,
    opened      BIGINT NOT NULL DEFAULT 0,
    closed      BIGINT NOT NULL DEFAULT 0,
    replayed    BIGINT NOT NULL DEFAULT 0,
    stale       BIGINT NOT NULL DEFAULT 0,
    remaining   BIGINT NOT NULL DEFAULT 0,
    person      {{text}} NOT NULL DEFAULT '',
    reason      {{text}} NOT NULL DEFAULT '',
    started_at  BIGINT NOT NULL,
    changed_at  BIGINT NOT NULL
);
CREATE INDEX replay_token ON replay (tenant, token);
-- What was seen of each key. digest names what would follow; state: 0 seen, 1 marked to be folded, 2 folded, 3 left alone since it is otherwise than it
-- was seen, 4 folded and still otherwise than its facts.
CREATE TABLE replay_key (
    number      BIGINT NOT NULL,
    fold_key    {{text}} NOT NULL,
    digest      {{text}} NOT NULL,
    differs     {{text}} NOT NULL,
    state       BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (number, fold_key)
);
CREATE INDEX replay_key_state ON replay_key (number, state, fold_key);
