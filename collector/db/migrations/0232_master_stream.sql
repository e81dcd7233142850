-- Master data as a stream of its own: read from systems, kept by version, told to sites and to other systems.

-- +goose Up
-- source is the system that told the record, '' for a person. sites are those that it concerns, as |a|b|, '' for all; former are those that it
-- concerned once and no longer does, '*' where that may be any: they are told that it is removed. body is a MasterDetail,
-- hash covers what a reader sees of the record, changed_at is when it got its version, in microseconds.
ALTER TABLE master_record ADD COLUMN source {{text}} NOT NULL DEFAULT '';
ALTER TABLE master_record ADD COLUMN sites {{text}} NOT NULL DEFAULT '';
ALTER TABLE master_record ADD COLUMN former {{text}} NOT NULL DEFAULT '';
ALTER TABLE master_record ADD COLUMN body {{blob}};
ALTER TABLE master_record ADD COLUMN hash {{text}} NOT NULL DEFAULT '';
ALTER TABLE master_record ADD COLUMN changed_at BIGINT NOT NULL DEFAULT 0;

-- How far a kind was read from a system. whole is 1 while everything is read anew, and stays 1 until it has been read once; told are the
-- records that the system has told since it began.
CREATE TABLE master_source (
    tenant       {{text}} NOT NULL,
    source       {{text}} NOT NULL,
    kind         BIGINT NOT NULL,
    cursor_value {{blob}},
    whole        BIGINT NOT NULL DEFAULT 1,
    asked        BIGINT NOT NULL DEFAULT 0,
    told         BIGINT NOT NULL DEFAULT 0,
    polled_at    BIGINT NOT NULL DEFAULT 0,
    whole_at     BIGINT NOT NULL DEFAULT 0,
    fault        {{text}} NOT NULL DEFAULT '',
    fault_since  BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, source, kind)
);

-- What has been seen of a kind while everything is read anew: what has not is no longer known.
CREATE TABLE master_seen (
    tenant  {{text}} NOT NULL,
    source  {{text}} NOT NULL,
    kind    BIGINT NOT NULL,
    code    {{text}} NOT NULL,
    PRIMARY KEY (tenant, source, kind, code)
);

-- Records that could not be taken from a system, or that a system does not take. party is that system.
CREATE TABLE master_refused (
    tenant      {{text}} NOT NULL,
    party       {{text}} NOT NULL,
    kind        BIGINT NOT NULL,
    code        {{text}} NOT NULL,
    reason      {{text}} NOT NULL,
    raw         {{blob}},
    refused_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant, party, kind, code)
);

-- How far a system was told: the version of the last record that it has.
CREATE TABLE master_target (
    tenant       {{text}} NOT NULL,
    target       {{text}} NOT NULL,
    through      BIGINT NOT NULL DEFAULT 0,
    told         BIGINT NOT NULL DEFAULT 0,
    told_at      BIGINT NOT NULL DEFAULT 0,
    fault        {{text}} NOT NULL DEFAULT '',
    fault_since  BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, target)
);

-- The highest version of a tenant, and up to which version removals are forgotten: whoever holds less gets everything anew.
CREATE TABLE master_top (
    tenant     {{text}} NOT NULL PRIMARY KEY,
    version    BIGINT NOT NULL,
    forgotten  BIGINT NOT NULL DEFAULT 0
);
INSERT INTO master_top (tenant, version) SELECT tenant, max(version) FROM master_record GROUP BY tenant;

-- What was forgotten when a site began to be told everything: it is not behind what was forgotten before that.
CREATE TABLE master_site (
    tenant     {{text}} NOT NULL,
    site       {{text}} NOT NULL,
    forgotten  BIGINT NOT NULL,
    PRIMARY KEY (tenant, site)
);

CREATE INDEX master_record_removed ON master_record (tenant, version) WHERE removed = 1;
