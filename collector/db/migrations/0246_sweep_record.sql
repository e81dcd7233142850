-- What the record of customers and the like last listed: copies in other systems are compared with it.

-- +goose Up
-- body is the record as JSON, read_at when its list was begun.
CREATE TABLE sweep_record (
    tenant    {{text}} NOT NULL,
    target    {{text}} NOT NULL,
    kind      {{text}} NOT NULL,
    number    {{text}} NOT NULL,
    read_at   BIGINT NOT NULL,
    body      {{text}} NOT NULL,
    PRIMARY KEY (tenant, target, kind, number)
);
