-- How far each stage of an order has come, so that orders which are partly picked, received or credited can be asked for.

-- +goose Up
-- Names with a blank on each side: ' packed partially_shipped '.
ALTER TABLE state ADD COLUMN progress {{text}} NOT NULL DEFAULT '';
