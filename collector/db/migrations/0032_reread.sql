-- +goose Up
-- The sources, by comma, of which all are able to tell again what an epoch, or a lost gap of it, held; '' where one of the site's is not.
ALTER TABLE epoch ADD COLUMN sources {{text}} NOT NULL DEFAULT '';
ALTER TABLE gap ADD COLUMN sources {{text}} NOT NULL DEFAULT '';
