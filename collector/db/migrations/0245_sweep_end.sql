-- A sweep comes to its end also where a system lists without one.

-- +goose Up
-- pages is how many pages of the present list were read, idle how many in a row had nothing new; endless is which lists had no end, a line each.
ALTER TABLE sweep_run ADD COLUMN pages BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sweep_run ADD COLUMN idle BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sweep_run ADD COLUMN endless {{text}} NOT NULL DEFAULT '';
-- name tells the documents of one list apart.
ALTER TABLE sweep_document ADD COLUMN name {{text}} NOT NULL DEFAULT '';
CREATE INDEX sweep_document_name ON sweep_document (run, name);
