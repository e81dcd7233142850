-- The daily close: what a site's journal has accepted on a day, what the log has of that day, and what came of the comparison.

-- +goose Up
-- When the host recorded the event: the same id recorded at another moment was captured twice, not sent twice. 0 where that is not known.
ALTER TABLE event_identity ADD COLUMN captured_at BIGINT NOT NULL DEFAULT 0;
-- When the sources were last asked, and agreed, to tell again what a lost gap held; 0 where nobody has asked.
ALTER TABLE gap ADD COLUMN asked_at BIGINT NOT NULL DEFAULT 0;
-- By the site: counts of one journal folder. base is what an earlier state of the folder had counted beyond the one it was put back to.
-- epoch and last_seq are the place in the journal as of which the counts are.
CREATE TABLE site_day_said (
    tenant      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    day         {{text}} NOT NULL,
    accepted    BIGINT NOT NULL,
    refused     BIGINT NOT NULL,
    base        BIGINT NOT NULL DEFAULT 0,
    epoch       {{text}} NOT NULL,
    last_seq    BIGINT NOT NULL,
    PRIMARY KEY (tenant, site, day)
);
-- By the log, by the same day: new ids, dead letters of the site among them, and events that were captured a second time.
CREATE TABLE site_day_log (
    tenant      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    day         {{text}} NOT NULL,
    logged      BIGINT NOT NULL,
    refused     BIGINT NOT NULL,
    again       BIGINT NOT NULL,
    PRIMARY KEY (tenant, site, day)
);
-- What the last comparison came to. state is waiting, closed or difference; a closed day is compared again only when one of the counts moves.
CREATE TABLE site_day_close (
    tenant      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    day         {{text}} NOT NULL,
    state       {{text}} NOT NULL,
    captured    BIGINT NOT NULL,
    logged      BIGINT NOT NULL,
    again       BIGINT NOT NULL,
    refused     BIGINT NOT NULL,
    lost        BIGINT NOT NULL,
    unfolded    BIGINT NOT NULL,
    pending     BIGINT NOT NULL,
    parked      BIGINT NOT NULL,
    reason      {{text}} NOT NULL,
    remedy      {{text}} NOT NULL,
    -- How many a person has accepted as missing (or, below zero, as too many), and why.
    accepted    BIGINT NOT NULL DEFAULT 0,
    accepted_for {{text}} NOT NULL DEFAULT '',
    checked_at  BIGINT NOT NULL,
    closed_at   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, site, day)
);
CREATE INDEX site_day_close_state ON site_day_close (state);
