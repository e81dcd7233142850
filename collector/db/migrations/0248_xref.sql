-- What systems call what Dockline calls otherwise: items, units, customers, carriers, reasons, warehouses.

-- +goose Up
-- direction: both, out (ours is told as theirs) or in (theirs is read as ours).
CREATE TABLE xref (
    tenant     {{text}} NOT NULL,
    target     {{text}} NOT NULL,
    domain     {{text}} NOT NULL,
    ours       {{text}} NOT NULL,
    theirs     {{text}} NOT NULL,
    direction  {{text}} NOT NULL,
    changed_at BIGINT NOT NULL,
    changed_by {{text}} NOT NULL,
    PRIMARY KEY (tenant, target, domain, ours, theirs)
);
CREATE INDEX xref_theirs ON xref (theirs, domain, target, tenant);
