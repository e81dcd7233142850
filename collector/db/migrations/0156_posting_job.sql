-- Jobs get their numbers from the database.

-- +goose Up
DROP TABLE posting_job;
CREATE TABLE posting_job (
    id         {{serial}},
    tenant     {{text}} NOT NULL,
    target     {{text}} NOT NULL,
    state      {{text}} NOT NULL,
    filter     {{text}} NOT NULL,
    total      BIGINT NOT NULL,
    looked_at  BIGINT NOT NULL DEFAULT 0,
    again      BIGINT NOT NULL DEFAULT 0,
    after_id   BIGINT NOT NULL DEFAULT 0,
    up_to      BIGINT NOT NULL,
    asked_by   {{text}} NOT NULL,
    reason     {{text}} NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE INDEX posting_job_work ON posting_job (target, state, id);
