-- What ingest and the event log need beyond 0001.

-- +goose Up
-- complete: everything of the epoch is in the event log and a later epoch is there.
ALTER TABLE epoch ADD COLUMN complete BIGINT NOT NULL DEFAULT 0;
CREATE INDEX epoch_open ON epoch (tenant, site, ordinal) WHERE complete = 0;
-- A Seq range of an epoch that cannot be had: lost (the site no longer holds it) or unreadable (its pack cannot be opened). Streams
-- do not pass an open gap. It closes when its events arrive after all, or when a person accepts the loss.
CREATE TABLE gap (
    tenant      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    epoch       {{text}} NOT NULL,
    lo          BIGINT NOT NULL,
    hi          BIGINT NOT NULL,
    cause       {{text}} NOT NULL,
    opened_at   BIGINT NOT NULL,
    closed_at   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, site, epoch, lo)
);
-- What the event log has taken from a site.
CREATE TABLE site_total (
    tenant      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    logged      BIGINT NOT NULL,
    duplicates  BIGINT NOT NULL,
    conflicts   BIGINT NOT NULL,
    PRIMARY KEY (tenant, site)
);
-- The lowest place in the site's journal at which an event of this id and body was seen: it decides between two bodies.
ALTER TABLE event_identity ADD COLUMN epoch_ordinal BIGINT NOT NULL DEFAULT 0;
ALTER TABLE event_identity ADD COLUMN seq BIGINT NOT NULL DEFAULT 0;
-- The last position given in a site's list of receipts or commands. A row that changes gets a new one, so it is not max(position).
CREATE TABLE list_position (
    tenant      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    list        {{text}} NOT NULL,
    last        BIGINT NOT NULL,
    PRIMARY KEY (tenant, site, list)
);
-- The next envelopes of a site, and how far an epoch is filled.
DROP INDEX inbox_waiting;
CREATE INDEX inbox_site ON inbox (tenant, site, state, urgent DESC, live DESC, id);
CREATE INDEX inbox_epoch ON inbox (tenant, site, epoch, state, first_seq);
-- What the sequencer has not numbered yet.
CREATE INDEX event_unplaced ON event (log_id) WHERE log_offset IS NULL;
CREATE INDEX receipt_unplaced ON receipt (tenant, site, event_id) WHERE position IS NULL;
CREATE INDEX command_unplaced ON command (tenant, site, command_key) WHERE position IS NULL;
