-- What ingest and the event log need beyond 0001.

-- +goose Up
-- A Seq range of an epoch that the site no longer has, or whose pack cannot be read. Streams do not pass an open gap; a gap
-- closes (closed_at) when its events arrive after all, or when a person accepts the loss.
CREATE TABLE gap (
    tenant      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    epoch       {{text}} NOT NULL,
    lo          BIGINT NOT NULL,
    hi          BIGINT NOT NULL,
    reason      {{text}} NOT NULL,
    opened_at   BIGINT NOT NULL,
    closed_at   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, site, epoch, lo)
);
-- The next envelopes of a site, and how far an epoch is filled.
CREATE INDEX inbox_site ON inbox (tenant, site, state, urgent DESC, live DESC, id);
CREATE INDEX inbox_epoch ON inbox (tenant, site, epoch, first_seq);
DROP INDEX inbox_waiting;
-- What the sequencer has not numbered yet.
CREATE INDEX event_unplaced ON event (log_id) WHERE log_offset IS NULL;
CREATE INDEX receipt_unplaced ON receipt (tenant, site, event_id) WHERE position IS NULL;
CREATE INDEX command_unplaced ON command (tenant, site, created_at) WHERE position IS NULL;
