-- The dedup table as one tree, where the engine would keep two.

-- +goose Up
-- SQLite keeps a table by row number and its key beside it: each new id was written to two places, and only the key is ever asked for.
-- PostgreSQL has no such tables; there these lines are comments.
{{sqlite}}ALTER TABLE event_identity RENAME TO event_identity_two;
{{sqlite}}CREATE TABLE event_identity (tenant TEXT NOT NULL, id TEXT NOT NULL, body_hash BLOB NOT NULL, log_id BIGINT NOT NULL, epoch_ordinal BIGINT NOT NULL DEFAULT 0, seq BIGINT NOT NULL DEFAULT 0, PRIMARY KEY (tenant, id)) WITHOUT ROWID;
{{sqlite}}INSERT INTO event_identity (tenant, id, body_hash, log_id, epoch_ordinal, seq) SELECT tenant, id, body_hash, log_id, epoch_ordinal, seq FROM event_identity_two ORDER BY tenant, id;
{{sqlite}}DROP TABLE event_identity_two;
SELECT 1;
