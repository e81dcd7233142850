-- Runs that archive, each with how it ended.

-- +goose Up
-- state is "running", "done" (all that is old enough was looked at), "stopped" (its time was over; the next one goes on behind after_log), "failed"
-- or "left" (its process ended in the middle). person is the collector's own name where it ran by itself.
CREATE TABLE archive_run (
    number      {{serial}},
    tenant      {{text}} NOT NULL,
    state       {{text}} NOT NULL,
    person      {{text}} NOT NULL,
    after_log   BIGINT NOT NULL DEFAULT 0,
    archives    BIGINT NOT NULL DEFAULT 0,
    groups      BIGINT NOT NULL DEFAULT 0,
    events      BIGINT NOT NULL DEFAULT 0,
    text        {{text}} NOT NULL DEFAULT '',
    started_at  BIGINT NOT NULL,
    ended_at    BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX archive_run_tenant ON archive_run (tenant, number);
