-- What belongs together: a tracking number, an SSCC, an invoice leads to a shipment, a return and an order; a shipment to its orders.

-- +goose Up
-- One row for each pair and event that said so. in_force is 0 where that event no longer counts for part_of; name is what people search by, in
-- upper case, and empty where link_key is no name.
CREATE TABLE link (
    tenant      {{text}} NOT NULL,
    link_key    {{text}} NOT NULL,
    part_of     {{text}} NOT NULL,
    event_id    {{text}} NOT NULL,
    name        {{text}} NOT NULL,
    in_force    BIGINT NOT NULL,
    PRIMARY KEY (tenant, link_key, part_of, event_id)
);
CREATE INDEX link_part ON link (tenant, part_of);
CREATE INDEX link_name ON link (tenant, name) WHERE name <> '';
