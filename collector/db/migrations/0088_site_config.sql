-- What sites are to run: versions of a group's configuration, who is in which group and ring, and what each site was sent.

-- +goose Up
-- state: rolling, waiting (for a person's word), done, stopped, replaced. ring is the highest one that gets it, ring_at since when.
-- soak is how long a ring must be well before the next, 0 waits for a person; trial is how long a site watches itself with it.
CREATE TABLE site_config (
    tenant      {{text}} NOT NULL,
    grp         {{text}} NOT NULL,
    version     BIGINT NOT NULL,
    yaml        {{text}} NOT NULL,
    sha256      {{text}} NOT NULL,
    author      {{text}} NOT NULL,
    reason      {{text}} NOT NULL,
    created_at  BIGINT NOT NULL,
    state       {{text}} NOT NULL,
    ring        BIGINT NOT NULL,
    ring_at     BIGINT NOT NULL,
    soak        BIGINT NOT NULL,
    trial       BIGINT NOT NULL,
    text        {{text}} NOT NULL DEFAULT '',
    changed_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant, grp, version)
);
-- A site without a row is in group default, ring 1. Ring 0 is the canary.
CREATE TABLE site_config_member (
    tenant      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    grp         {{text}} NOT NULL,
    ring        BIGINT NOT NULL,
    PRIMARY KEY (tenant, site)
);
-- The newest that a site was sent. state: sent, trial, kept, failed. faults are what was wrong with the site before, comma-separated codes. drift says in
-- words how what the site runs differs from what it is to run, since drift_at; '' where it does not.
CREATE TABLE site_config_sent (
    tenant      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    grp         {{text}} NOT NULL,
    version     BIGINT NOT NULL,
    command     BIGINT NOT NULL,
    sent_at     BIGINT NOT NULL,
    state       {{text}} NOT NULL,
    text        {{text}} NOT NULL DEFAULT '',
    kept_at     BIGINT NOT NULL DEFAULT 0,
    faults      {{text}} NOT NULL DEFAULT '',
    drift       {{text}} NOT NULL DEFAULT '',
    drift_at    BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, site)
);
-- What the sections of plugins may hold, as the plugins of a tenant's sites have described themselves.
CREATE TABLE plugin_schema (
    tenant      {{text}} NOT NULL,
    name        {{text}} NOT NULL,
    version     {{text}} NOT NULL,
    json_schema {{text}} NOT NULL,
    PRIMARY KEY (tenant, name, version)
);
