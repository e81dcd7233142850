-- The machines that have spoken as a site, and which epoch each was writing when it last did.

-- +goose Up
CREATE TABLE site_machine (
    tenant      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    fingerprint {{text}} NOT NULL,
    host        {{text}} NOT NULL,
    folder      {{text}} NOT NULL,
    epoch       {{text}} NOT NULL,
    first_at    BIGINT NOT NULL,
    seen_at     BIGINT NOT NULL,
    PRIMARY KEY (tenant, site, fingerprint)
);
-- What the two machines of a fork are called, and when each last spoke.
ALTER TABLE site_fork ADD COLUMN machines {{text}} NOT NULL DEFAULT '';
