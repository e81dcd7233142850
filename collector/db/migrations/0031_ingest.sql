-- What ingest needs to tell one journal of a site from another.

-- +goose Up
-- The epoch that was being written at the site's last Hello.
ALTER TABLE presence ADD COLUMN epoch {{text}} NOT NULL DEFAULT '';
-- Two journals of one site that begin at the same place: epoch and other are what each of them was writing. certain: both have spoken
-- since. heard_at is when that was last seen; the row is closed when nothing was seen for long.
CREATE TABLE site_fork (
    tenant      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    epoch       {{text}} NOT NULL,
    other       {{text}} NOT NULL,
    certain     BIGINT NOT NULL,
    opened_at   BIGINT NOT NULL,
    heard_at    BIGINT NOT NULL,
    closed_at   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, site)
);
CREATE INDEX epoch_predecessor ON epoch (tenant, site, predecessor);
