-- Events that were declared to be told in error, before or after they came.

-- +goose Up
-- event_id is the event told in error, log_id the declaration. waiting is 1 until that event is there.
CREATE TABLE declared (
    tenant      {{text}} NOT NULL,
    event_id    {{text}} NOT NULL,
    log_id      BIGINT NOT NULL,
    waiting     BIGINT NOT NULL,
    PRIMARY KEY (tenant, event_id, log_id)
);
CREATE INDEX declared_waiting ON declared (tenant, event_id) WHERE waiting = 1;
