-- What was written into archives and taken out of the database.

-- +goose Up
-- state is "writing", "written" (file and manifest are whole, nothing or not everything is taken out yet), "pruned" or "left" (given up before
-- it was whole). manifest and sha256 are of the manifest, previous is the number of the tenant's archive before it in the chain.
CREATE TABLE archive (
    number      {{serial}},
    tenant      {{text}} NOT NULL,
    state       {{text}} NOT NULL,
    manifest    {{text}} NOT NULL DEFAULT '',
    sha256      {{text}} NOT NULL DEFAULT '',
    previous    BIGINT NOT NULL DEFAULT 0,
    groups      BIGINT NOT NULL DEFAULT 0,
    events      BIGINT NOT NULL DEFAULT 0,
    bytes       BIGINT NOT NULL DEFAULT 0,
    pruned      BIGINT NOT NULL DEFAULT 0,
    skipped     BIGINT NOT NULL DEFAULT 0,
    restored    BIGINT NOT NULL DEFAULT 0,
    first_at    BIGINT NOT NULL DEFAULT 0,
    last_at     BIGINT NOT NULL DEFAULT 0,
    person      {{text}} NOT NULL,
    reason      {{text}} NOT NULL,
    created_at  BIGINT NOT NULL,
    changed_at  BIGINT NOT NULL
);
CREATE INDEX archive_tenant ON archive (tenant, state, number);
-- A fold key that is in an archive and not in the database any more: what is shown of it, and where it is. part is its group in the archive.
CREATE TABLE archive_key (
    tenant      {{text}} NOT NULL,
    fold_key    {{text}} NOT NULL,
    archive     BIGINT NOT NULL,
    part        BIGINT NOT NULL,
    status      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    customer    {{text}} NOT NULL,
    hash        {{text}} NOT NULL,
    events      BIGINT NOT NULL,
    first_at    BIGINT NOT NULL,
    last_at     BIGINT NOT NULL,
    archived_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, fold_key)
);
CREATE INDEX archive_key_part ON archive_key (archive, part);
-- 0 while the event is in the database, else the archive that it is in. The row itself stays for ever: what comes again is refused by it.
ALTER TABLE event_identity ADD COLUMN archive BIGINT NOT NULL DEFAULT 0;
