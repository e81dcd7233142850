-- How a system's records were made when somebody last took that as right, and how they are made now.

-- +goose Up
-- accepted and seen are JSON, '' before the first look; looked_at is claimed by whoever looks.
CREATE TABLE target_shape (
    tenant      {{text}} NOT NULL,
    target      {{text}} NOT NULL,
    accepted    {{text}} NOT NULL,
    accepted_at BIGINT NOT NULL,
    accepted_by {{text}} NOT NULL,
    seen        {{text}} NOT NULL,
    seen_at     BIGINT NOT NULL,
    looked_at   BIGINT NOT NULL,
    PRIMARY KEY (tenant, target)
);
