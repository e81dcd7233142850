-- Some postings go ahead of others that wait for the same target.

-- +goose Up
-- How far: a step is worth ten minutes of waiting (posting.priorityStep).
ALTER TABLE posting ADD COLUMN priority BIGINT NOT NULL DEFAULT 0;
-- What is ready, in the order in which it is sent.
CREATE INDEX posting_turn ON posting (target, (ready_at - priority * 600000000), id) WHERE state = 'ready';
