-- +goose Up
-- The commands of one order, at whatever site.
CREATE INDEX command_key ON command (tenant, command_key);
-- The reasons that one fold gave.
CREATE INDEX no_document_fold ON no_document (tenant, fold_key);
