-- What the key of a link held when what it is part of was last told of it: where that is the same, nobody is told again.

-- +goose Up
ALTER TABLE link ADD COLUMN told BIGINT NOT NULL DEFAULT 0;
