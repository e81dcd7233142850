-- Documents that are taken back, posting dates, timing classes, pauses and jobs of the postings.

-- +goose Up
-- How often the document was made anew after one before it was reversed: from the second on the target keeps "key#2" and so on as its reference.
ALTER TABLE posting ADD COLUMN generation BIGINT NOT NULL DEFAULT 1;
-- The day, YYYY-MM-DD, under which it is posted, as it was last told to the target; '' where no day was told.
ALTER TABLE posting ADD COLUMN posting_date {{text}} NOT NULL DEFAULT '';
-- The timing class, when it may be sent at the earliest, and how long it may take, both as they were when it was last planned.
ALTER TABLE posting ADD COLUMN timing {{text}} NOT NULL DEFAULT '';
ALTER TABLE posting ADD COLUMN not_before BIGINT NOT NULL DEFAULT 0;
ALTER TABLE posting ADD COLUMN time_allowed BIGINT NOT NULL DEFAULT 0;
-- Since when it is wanted as it is: what it took is counted from here.
ALTER TABLE posting ADD COLUMN wanted_at BIGINT NOT NULL DEFAULT 0;
-- The bulk retry that took it up last, 0 for none; and the document that a person said need not be posted.
ALTER TABLE posting ADD COLUMN job BIGINT NOT NULL DEFAULT 0;
ALTER TABLE posting ADD COLUMN waived_hash {{text}} NOT NULL DEFAULT '';
CREATE INDEX posting_took ON posting (tenant, confirmed_at);

-- A target to which nothing is sent because a person said so.
CREATE TABLE posting_pause (
    target    {{text}} NOT NULL PRIMARY KEY,
    tenant    {{text}} NOT NULL,
    paused_by {{text}} NOT NULL,
    reason    {{text}} NOT NULL,
    paused_at BIGINT NOT NULL
);

-- A person's word to try many postings again. after_id is the last that was looked at; up_to the last that there was when it began.
CREATE TABLE posting_job (
    id         BIGINT NOT NULL PRIMARY KEY,
    tenant     {{text}} NOT NULL,
    target     {{text}} NOT NULL,
    state      {{text}} NOT NULL,
    filter     {{text}} NOT NULL,
    total      BIGINT NOT NULL,
    looked_at  BIGINT NOT NULL DEFAULT 0,
    again      BIGINT NOT NULL DEFAULT 0,
    after_id   BIGINT NOT NULL DEFAULT 0,
    up_to      BIGINT NOT NULL,
    asked_by   {{text}} NOT NULL,
    reason     {{text}} NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE INDEX posting_job_work ON posting_job (target, state, id);
CREATE INDEX posting_of_job ON posting (job, state) WHERE job <> 0;

-- Documents that bear another day than that on which it happened, because the target's period was closed.
CREATE TABLE posting_cutoff (
    tenant      {{text}} NOT NULL,
    target      {{text}} NOT NULL,
    kind        {{text}} NOT NULL,
    reference   {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    occurred_on {{text}} NOT NULL,
    posted_on   {{text}} NOT NULL,
    reason      {{text}} NOT NULL,
    noted_at    BIGINT NOT NULL,
    PRIMARY KEY (reference, kind, target, tenant)
);

-- By which name each system knows what another calls something else.
CREATE TABLE cross_reference (
    tenant {{text}} NOT NULL,
    system {{text}} NOT NULL,
    kind   {{text}} NOT NULL,
    ours   {{text}} NOT NULL,
    theirs {{text}} NOT NULL,
    noted_at BIGINT NOT NULL,
    PRIMARY KEY (ours, kind, system, tenant)
);
