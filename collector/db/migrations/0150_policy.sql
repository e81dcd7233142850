-- Versions of the policy: who proposed each and why, who approved it, when it was in force; and what was decided by its rules.

-- +goose Up
-- Versions that were handed in and may not have been in force yet. base is the version in force then, which the approvals are worked out from.
CREATE TABLE policy_proposal (
    version     {{text}} NOT NULL,
    body        {{blob}} NOT NULL,
    base        {{text}} NOT NULL,
    proposed_by {{text}} NOT NULL,
    reason      {{text}} NOT NULL,
    proposed_at BIGINT NOT NULL,
    PRIMARY KEY (version)
);
-- A yes is to the change from base to version: when another version is in force, it is about another change.
CREATE TABLE policy_approval (
    version     {{text}} NOT NULL,
    base        {{text}} NOT NULL,
    team        {{text}} NOT NULL,
    approved_by {{text}} NOT NULL,
    reason      {{text}} NOT NULL,
    approved_at BIGINT NOT NULL,
    PRIMARY KEY (version, base, team)
);
-- One row each time that a version came in force. log_id is that of the fact policy.activated: keys whose first fact has a higher one come under
-- this version, until the next.
CREATE TABLE policy_activation (
    number      {{serial}},
    tenant      {{text}} NOT NULL,
    version     {{text}} NOT NULL,
    former      {{text}} NOT NULL,
    activated_by {{text}} NOT NULL,
    reason      {{text}} NOT NULL,
    activated_at BIGINT NOT NULL,
    event_id    {{text}} NOT NULL,
    log_id      BIGINT NOT NULL
);
CREATE INDEX policy_activation_tenant ON policy_activation (tenant, number);
INSERT INTO policy_activation (tenant, version, former, activated_by, reason, activated_at, event_id, log_id)
    SELECT v.tenant, v.version, '', 'dockline', '', v.activated_at,
        COALESCE((SELECT MAX(e.id) FROM event e WHERE e.tenant = v.tenant AND e.kind = 63 AND e.subject = v.version), ''),
        COALESCE((SELECT MAX(e.log_id) FROM event e WHERE e.tenant = v.tenant AND e.kind = 63 AND e.subject = v.version), 0)
    FROM policy_version v ORDER BY v.activated_at, v.version;
-- The folder that collectors were started with last: only another one is taken at the next start.
CREATE TABLE policy_folder (
    name        {{text}} NOT NULL,
    version     {{text}} NOT NULL,
    taken_at    BIGINT NOT NULL,
    PRIMARY KEY (name)
);
-- What was decided by a rule: held, refused, limited, transformed, not told. A row is written when a decision changes; ended_at is 0 while it
-- holds. inputs is JSON.
CREATE TABLE policy_decision (
    number      {{serial}},
    tenant      {{text}} NOT NULL,
    fold_key    {{text}} NOT NULL,
    decision    {{text}} NOT NULL,
    subject     {{text}} NOT NULL,
    outcome     {{text}} NOT NULL,
    policy_version {{text}} NOT NULL,
    rule_file   {{text}} NOT NULL,
    rule_line   BIGINT NOT NULL,
    rule_key    {{text}} NOT NULL,
    inputs      {{text}} NOT NULL,
    decided_at  BIGINT NOT NULL,
    ended_at    BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX policy_decision_key ON policy_decision (tenant, fold_key, ended_at);
