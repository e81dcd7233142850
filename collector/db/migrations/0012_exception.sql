-- +goose Up
-- The exceptions of one order, for its track.
CREATE INDEX exception_order ON exception (tenant, order_number);
