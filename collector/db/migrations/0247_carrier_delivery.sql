-- Messages that carriers sent by themselves, by the ids that they gave them: one that is sent again is not taken again.

-- +goose Up
CREATE TABLE carrier_delivery (
    tenant      {{text}} NOT NULL,
    carrier     {{text}} NOT NULL,
    delivery_id {{text}} NOT NULL,
    body_hash   {{text}} NOT NULL,
    received_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, carrier, delivery_id)
);
CREATE INDEX carrier_delivery_age ON carrier_delivery (tenant, carrier, received_at);
