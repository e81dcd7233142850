-- Clocks of milestones, as they follow from the facts of a key. Times are Unix microseconds, 0 for none.

-- +goose Up
-- standing is "running", "paused", "met", "late", "dropped" or "stopped"; breached says that it ran past its due and was not reached by then, as far
-- as is known: that alone does not follow from the facts. waited and remains are microseconds of working time. facts are event ids, one after a blank.
CREATE TABLE milestone (
    tenant      {{text}} NOT NULL,
    fold_key    {{text}} NOT NULL,
    name        {{text}} NOT NULL,
    object      {{text}} NOT NULL,
    standing    {{text}} NOT NULL,
    breached    BIGINT NOT NULL,
    started_at  BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,
    warn_at     BIGINT NOT NULL,
    reached_at  BIGINT NOT NULL,
    paused_at   BIGINT NOT NULL,
    expected_at BIGINT NOT NULL,
    waited      BIGINT NOT NULL,
    remains     BIGINT NOT NULL,
    site        {{text}} NOT NULL,
    region      {{text}} NOT NULL,
    customer    {{text}} NOT NULL,
    order_number {{text}} NOT NULL,
    level       {{text}} NOT NULL,
    target      BIGINT NOT NULL,
    facts       {{text}} NOT NULL,
    policy_version {{text}} NOT NULL,
    PRIMARY KEY (tenant, fold_key, name)
);
CREATE INDEX milestone_due ON milestone (tenant, standing, due_at);
