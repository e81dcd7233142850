-- What sweeps found: a system of record or engagement compared with what it should hold.

-- +goose Up
-- phase is "list", "compare", "ask", "stock", "report" or "done"; place and page are where its next step begins. since_at is from when on documents are
-- looked at, read_at when the list of the present kind was begun. minute_at and minute_calls hold the requests of the last minute.
CREATE TABLE sweep_run (
    number       {{serial}},
    tenant       {{text}} NOT NULL,
    target       {{text}} NOT NULL,
    site         {{text}} NOT NULL,
    why          {{text}} NOT NULL,
    phase        {{text}} NOT NULL,
    place        BIGINT NOT NULL,
    page         {{text}} NOT NULL,
    after_place  BIGINT NOT NULL,
    since_at     BIGINT NOT NULL,
    read_at      BIGINT NOT NULL,
    minute_at    BIGINT NOT NULL,
    minute_calls BIGINT NOT NULL,
    calls        BIGINT NOT NULL,
    matched      BIGINT NOT NULL,
    foreign_documents BIGINT NOT NULL,
    healed       BIGINT NOT NULL,
    before_number BIGINT NOT NULL,
    not_listed   {{text}} NOT NULL,
    fault        {{text}} NOT NULL,
    started_at   BIGINT NOT NULL,
    changed_at   BIGINT NOT NULL,
    ended_at     BIGINT NOT NULL
);
CREATE INDEX sweep_run_target ON sweep_run (tenant, target, number);
-- What a system listed of the present kind, until it is compared; body is JSON.
CREATE TABLE sweep_document (
    run       BIGINT NOT NULL,
    place     BIGINT NOT NULL,
    body      {{text}} NOT NULL,
    PRIMARY KEY (run, place)
);
-- What did not match. to_ask is 1 while the system is to be asked once more. body is all of it, as JSON.
CREATE TABLE sweep_finding (
    run       BIGINT NOT NULL,
    subject   {{text}} NOT NULL,
    result    {{text}} NOT NULL,
    cause     {{text}} NOT NULL,
    site      {{text}} NOT NULL,
    to_ask    BIGINT NOT NULL,
    body      {{text}} NOT NULL,
    PRIMARY KEY (run, subject, result)
);
