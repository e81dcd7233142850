-- Requests to the API that change something, so that one that is sent twice is done once.

-- +goose Up
-- scope is method and path; holder names the attempt that does it, process the collector that it runs in. status 0 is while it is under way, then
-- that of the answer, which is given again.
CREATE TABLE api_request (
    tenant       {{text}} NOT NULL,
    scope        {{text}} NOT NULL,
    request_key  {{text}} NOT NULL,
    body_hash    {{text}} NOT NULL,
    holder       {{text}} NOT NULL,
    process      {{text}} NOT NULL,
    status       BIGINT NOT NULL,
    location     {{text}} NOT NULL,
    answer       {{blob}},
    began_at     BIGINT NOT NULL,
    PRIMARY KEY (tenant, scope, request_key)
);
CREATE INDEX api_request_age ON api_request (began_at);
