-- Requests to the API that change something, so that one that is sent twice is done once.

-- +goose Up
-- scope is method, path and query, tenant what the query names; status 0 while it is under way, then that of the answer, which is given again.
CREATE TABLE api_request (
    tenant       {{text}} NOT NULL,
    scope        {{text}} NOT NULL,
    request_key  {{text}} NOT NULL,
    body_hash    {{text}} NOT NULL,
    holder       {{text}} NOT NULL,
    status       BIGINT NOT NULL,
    content_type {{text}} NOT NULL,
    answer       {{blob}},
    began_at     BIGINT NOT NULL,
    PRIMARY KEY (scope, request_key)
);
CREATE INDEX api_request_age ON api_request (began_at);
