-- Records that were refused, as their keys fold, and what people do about them.

-- +goose Up
-- event_id is the newest event that tells of the record. state is "open", "requeued" or "discarded"; the last three columns are of its settlement.
-- since is when it happened, by the site's clock, in Unix microseconds.
CREATE TABLE dead_letter (
    tenant      {{text}} NOT NULL,
    fold_key    {{text}} NOT NULL,
    event_id    {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    source      {{text}} NOT NULL,
    code        {{text}} NOT NULL,
    class       BIGINT NOT NULL,
    order_number {{text}} NOT NULL,
    since       BIGINT NOT NULL,
    state       {{text}} NOT NULL,
    settled_by  {{text}} NOT NULL,
    reason      {{text}} NOT NULL,
    corrected_by {{text}} NOT NULL,
    PRIMARY KEY (tenant, fold_key)
);
CREATE INDEX dead_letter_state ON dead_letter (tenant, state, since);
CREATE INDEX dead_letter_event ON dead_letter (tenant, event_id);
-- Corrections that people wrote, the newest counts. body is the event as it would be taken.
CREATE TABLE dead_letter_edit (
    tenant      {{text}} NOT NULL,
    event_id    {{text}} NOT NULL,
    version     BIGINT NOT NULL,
    body        {{blob}} NOT NULL,
    difference  {{text}} NOT NULL,
    person      {{text}} NOT NULL,
    reason      {{text}} NOT NULL,
    at          BIGINT NOT NULL,
    PRIMARY KEY (tenant, event_id, version)
);
-- Those that there are already.
INSERT INTO dirty (tenant, fold_key) SELECT DISTINCT tenant, fold_key FROM fact WHERE fold_key >= 'record/' AND fold_key < 'record0';
