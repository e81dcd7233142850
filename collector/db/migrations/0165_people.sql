-- Who did what, and who may do it.

-- +goose Up
-- One act of a person, the n-th of its tenant. hash is of the row and of the hash before it, so that no row can be changed or left out unseen.
CREATE TABLE audit (
    tenant      {{text}} NOT NULL,
    n           BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    person      {{text}} NOT NULL,
    action      {{text}} NOT NULL,
    object      {{text}} NOT NULL,
    reason      {{text}} NOT NULL,
    detail      {{text}} NOT NULL,
    hash        {{text}} NOT NULL,
    PRIMARY KEY (tenant, n)
);
CREATE INDEX audit_object ON audit (tenant, object, n);
CREATE INDEX audit_person ON audit (tenant, person, n);
-- Where each tenant's chain ends: rows that are missing at its end are seen too.
CREATE TABLE audit_head (
    tenant      {{text}} NOT NULL PRIMARY KEY,
    n           BIGINT NOT NULL,
    hash        {{text}} NOT NULL
);
-- disabled_at is 0 for who may work.
CREATE TABLE person (
    tenant      {{text}} NOT NULL,
    name        {{text}} NOT NULL,
    title       {{text}} NOT NULL DEFAULT '',
    email       {{text}} NOT NULL DEFAULT '',
    created_at  BIGINT NOT NULL,
    disabled_at BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, name)
);
CREATE TABLE person_role (
    tenant      {{text}} NOT NULL,
    name        {{text}} NOT NULL,
    role        {{text}} NOT NULL,
    PRIMARY KEY (tenant, name, role)
);
CREATE TABLE person_team (
    tenant      {{text}} NOT NULL,
    name        {{text}} NOT NULL,
    team        {{text}} NOT NULL,
    PRIMARY KEY (tenant, name, team)
);
-- A role of a tenant and one thing that it allows.
CREATE TABLE role_scope (
    tenant      {{text}} NOT NULL,
    role        {{text}} NOT NULL,
    scope       {{text}} NOT NULL,
    PRIMARY KEY (tenant, role, scope)
);
