-- The event log with fewer indexes, each of which costs every event, and epochs that have moved.

-- +goose Up
-- An id leads to the row in force by event_identity; only the bodies beside it need an index.
DROP INDEX event_id;
CREATE INDEX event_variant ON event (tenant, id) WHERE variant <> 0;
-- What has no offset yet is found at the begin or end of event_offset itself.
DROP INDEX event_unplaced;
-- Set where the site sends what it held of the epoch as part of a newer one: that one, and the Seq of it through which it is there.
ALTER TABLE epoch ADD COLUMN moved_to {{text}} NOT NULL DEFAULT '';
ALTER TABLE epoch ADD COLUMN moved_through BIGINT NOT NULL DEFAULT 0;
-- What the site held of an epoch when it moved.
CREATE TABLE epoch_moved (
    tenant      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    epoch       {{text}} NOT NULL,
    lo          BIGINT NOT NULL,
    hi          BIGINT NOT NULL,
    PRIMARY KEY (tenant, site, epoch, lo)
);
