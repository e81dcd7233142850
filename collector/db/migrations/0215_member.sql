-- The collectors that work on this database.

-- +goose Up
-- process names one run of a collector, until_at is until when it counts without another word, schema the newest migration that its build knows.
CREATE TABLE member (
    name      {{text}} NOT NULL PRIMARY KEY,
    process   {{text}} NOT NULL,
    version   {{text}} NOT NULL,
    schema    BIGINT NOT NULL,
    since     BIGINT NOT NULL,
    until_at  BIGINT NOT NULL
);
