-- Which epochs a Hello has named, and which are known from envelopes alone.

-- +goose Up
ALTER TABLE epoch ADD COLUMN named BIGINT NOT NULL DEFAULT 1;
