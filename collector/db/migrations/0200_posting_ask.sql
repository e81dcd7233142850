-- A person asked for a document to be taken back that its posting alone would leave as it is.

-- +goose Up
-- generation is that of the document; person says who asked, reason why.
CREATE TABLE posting_ask (
    tenant      {{text}} NOT NULL,
    target      {{text}} NOT NULL,
    kind        {{text}} NOT NULL,
    natural_key {{text}} NOT NULL,
    generation  BIGINT NOT NULL,
    person      {{text}} NOT NULL,
    reason      {{text}} NOT NULL,
    asked_at    BIGINT NOT NULL,
    PRIMARY KEY (tenant, target, kind, natural_key, generation)
);
