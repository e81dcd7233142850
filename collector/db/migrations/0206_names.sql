-- Names by which systems know an order, as their facts tell them, beside those that came with confirmed postings.

-- +goose Up
-- The key whose fold says so; '' for a name that a target gave a document of a posting. Of those system is a role (crm), or customer.
ALTER TABLE cross_reference ADD COLUMN fold_key {{text}} NOT NULL DEFAULT '';
