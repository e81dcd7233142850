-- What orders and reservations still take from stock, and what is on its way in, by the key that says so: the other half of what can be promised.

-- +goose Up
-- kind is "open" (what an accepted order still has to be picked, whoever has reserved it), "allocated" (reserved at a site) or "inbound". at is
-- when a reservation ends or goods are expected; 0 for never, or not known.
CREATE TABLE stock_demand (
    tenant      {{text}} NOT NULL,
    fold_key    {{text}} NOT NULL,
    part        BIGINT NOT NULL,
    kind        {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    item        {{text}} NOT NULL,
    quantity    BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    PRIMARY KEY (tenant, fold_key, part)
);
CREATE INDEX stock_demand_item ON stock_demand (tenant, item);
