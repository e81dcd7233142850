-- Which versions a source's record has, so that a correction reaches the keys that an earlier version touched.

-- +goose Up
-- record is the first 8 bytes of a hash of tenant and record (package event); two records that share one are told apart by their events.
CREATE TABLE record_first (
    record      {{number}} PRIMARY KEY,
    log_id      BIGINT NOT NULL
);
CREATE TABLE record_later (
    record      BIGINT NOT NULL,
    log_id      BIGINT NOT NULL,
    PRIMARY KEY (record, log_id)
);
