-- What postings took, counted as they are confirmed: it outlives the postings, a restart, and which collector sends.

-- +goose Up
-- Of a timing class, how many took no longer than bound (milliseconds, 0 for longer than every bound) and longer than the bound before it; how
-- many of these took longer than they may, and what they took together.
CREATE TABLE posting_timing (
    tenant       {{text}} NOT NULL,
    target       {{text}} NOT NULL,
    kind         {{text}} NOT NULL,
    site         {{text}} NOT NULL,
    class        {{text}} NOT NULL,
    bound        BIGINT NOT NULL,
    n            BIGINT NOT NULL,
    late         BIGINT NOT NULL,
    milliseconds BIGINT NOT NULL,
    PRIMARY KEY (tenant, target, kind, site, class, bound)
);
