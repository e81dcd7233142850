-- Keys of very many facts, which are folded apart from the others.

-- +goose Up
-- marks counts how often something new was told, for ever; since is when the oldest of what is not folded yet was seen, due_at when that is
-- to be folded (both 0 for nothing), and took how long the last fold was, in microseconds.
CREATE TABLE large_key (
    tenant      {{text}} NOT NULL,
    fold_key    {{text}} NOT NULL,
    marks       BIGINT NOT NULL,
    since       BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,
    took        BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, fold_key)
);
CREATE INDEX large_key_due ON large_key (due_at);
