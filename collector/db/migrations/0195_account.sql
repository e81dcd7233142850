-- What several collectors ask of one account at a system, together.

-- +goose Up
-- The part of a collector in the limits of an account, in calls and in places. It may begin calls until expires_at; what it was given is nobody
-- else's until frees_at, when every call that it may have begun has ended and counts no more. What it wants decides what others leave to it.
CREATE TABLE account_share (
    account     {{text}} NOT NULL,
    collector   {{text}} NOT NULL,
    calls       BIGINT NOT NULL,
    places      BIGINT NOT NULL,
    want_calls  BIGINT NOT NULL,
    want_places BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    frees_at    BIGINT NOT NULL,
    PRIMARY KEY (account, collector)
);

-- Until when a system asked to be left alone, and until when it is left alone since it does not answer; 0 for not at all.
CREATE TABLE account_rest (
    account      {{text}} NOT NULL PRIMARY KEY,
    paused_until BIGINT NOT NULL,
    open_until   BIGINT NOT NULL
);
