-- What the centre knows by code, for sites to warn by. version grows over all kinds of a tenant with every change; the newest state of
-- a code is kept, and that it is no longer known is one.

-- +goose Up
CREATE TABLE master_record (
    tenant      {{text}} NOT NULL,
    kind        BIGINT NOT NULL,
    code        {{text}} NOT NULL,
    name        {{text}} NOT NULL,
    version     BIGINT NOT NULL,
    removed     BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, kind, code)
);
CREATE UNIQUE INDEX master_record_version ON master_record (tenant, version);
