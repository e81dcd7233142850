-- What people are told of exceptions, and whether they were.

-- +goose Up
-- One notice is of n things of one kind, level, group of exceptions, team and person. state: waiting (until ready_at for more of its group, or
-- to be tried again), sent, listed (it goes nowhere: no mail is set up, or nobody has an address), failed (refused for good). Until window_end its
-- group has no other. sample are the numbers of the first few.
CREATE TABLE notice (
    number      {{serial}},
    tenant      {{text}} NOT NULL,
    kind        {{text}} NOT NULL,
    level       BIGINT NOT NULL,
    group_key   {{text}} NOT NULL,
    team        {{text}} NOT NULL,
    person      {{text}} NOT NULL,
    severity    BIGINT NOT NULL,
    n           BIGINT NOT NULL,
    sample      {{text}} NOT NULL,
    title       {{text}} NOT NULL,
    state       {{text}} NOT NULL,
    created_at  BIGINT NOT NULL,
    ready_at    BIGINT NOT NULL,
    window_end  BIGINT NOT NULL,
    attempts    BIGINT NOT NULL DEFAULT 0,
    settled_at  BIGINT NOT NULL DEFAULT 0,
    message_id  {{text}} NOT NULL,
    recipients  {{text}} NOT NULL DEFAULT '',
    text        {{text}} NOT NULL DEFAULT ''
);
CREATE INDEX notice_group ON notice (tenant, group_key, kind, level, team, person, window_end);
CREATE INDEX notice_ready ON notice (ready_at) WHERE state = 'waiting';
