-- A sweep says of which records there was nothing to compare with.

-- +goose Up
-- not_compared is why, a line for each kind of record.
ALTER TABLE sweep_run ADD COLUMN not_compared {{text}} NOT NULL DEFAULT '';
