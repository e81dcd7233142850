-- What very many facts of one order come to, so that one more costs the same whatever there are: those that mean the same are kept as a group.

-- +goose Up
-- Which facts of its key a mark is about: those with log ids from first_fact to last_fact. 0: any may be another than it was; -1: none is.
ALTER TABLE dirty ADD COLUMN first_fact BIGINT NOT NULL DEFAULT 0;
ALTER TABLE dirty ADD COLUMN last_fact BIGINT NOT NULL DEFAULT 0;
ALTER TABLE large_key ADD COLUMN first_fact BIGINT NOT NULL DEFAULT 0;
ALTER TABLE large_key ADD COLUMN last_fact BIGINT NOT NULL DEFAULT 0;
-- The digest of a key. ready is 0 while it is made, page by page, through a log id; folded is the count of facts in the key's state, as whoever
-- last wrote it knew: where the state has another, somebody folded the key who knows nothing of digests.
CREATE TABLE digest (
    id          {{serial}},
    tenant      {{text}} NOT NULL,
    fold_key    {{text}} NOT NULL,
    ready       BIGINT NOT NULL,
    through     BIGINT NOT NULL,
    folded      BIGINT NOT NULL
);
CREATE UNIQUE INDEX digest_key ON digest (tenant, fold_key);
-- A group: what its facts have in common, and how many there are of each quantity and the newest of them, as JSON.
CREATE TABLE digest_group (
    digest      BIGINT NOT NULL,
    part        BIGINT NOT NULL,
    alike       {{blob}} NOT NULL,
    tally       {{blob}} NOT NULL,
    PRIMARY KEY (digest, part)
);
-- Every fact of the key: the group in which it is, 0 for none.
CREATE TABLE digest_fact (
    digest      BIGINT NOT NULL,
    log_id      BIGINT NOT NULL,
    part        BIGINT NOT NULL,
    PRIMARY KEY (digest, log_id)
);
CREATE INDEX digest_apart ON digest_fact (digest, log_id) WHERE part = 0;
