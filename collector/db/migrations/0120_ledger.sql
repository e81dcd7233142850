-- The double-entry ledger of stock: each row moves a quantity of one item from an account to another. Rows are only added; a record that is
-- told otherwise adds the difference.

-- +goose Up
-- record is the fold key that wrote the row: a movement, or the bucket itself (own = 1) for its opening and for what counts say. from_kept and
-- to_kept are 1 where the account is a bucket that is folded, so that its rows must be found by time.
CREATE TABLE ledger (
    id          {{serial}},
    tenant      {{text}} NOT NULL,
    record      {{text}} NOT NULL,
    event_id    {{text}} NOT NULL,
    item        {{text}} NOT NULL,
    from_account {{text}} NOT NULL,
    to_account  {{text}} NOT NULL,
    quantity    BIGINT NOT NULL,
    occurred_at BIGINT NOT NULL,
    source      {{text}} NOT NULL,
    movement    BIGINT NOT NULL,
    count_number {{text}} NOT NULL,
    own         BIGINT NOT NULL,
    from_kept   BIGINT NOT NULL,
    to_kept     BIGINT NOT NULL,
    policy_version {{text}} NOT NULL,
    written_at  BIGINT NOT NULL
);
CREATE INDEX ledger_from ON ledger (tenant, from_account, occurred_at) WHERE from_kept = 1;
CREATE INDEX ledger_to ON ledger (tenant, to_account, occurred_at) WHERE to_kept = 1;
CREATE INDEX ledger_from_number ON ledger (tenant, from_account, source, movement) WHERE from_kept = 1 AND movement > 0;
CREATE INDEX ledger_to_number ON ledger (tenant, to_account, source, movement) WHERE to_kept = 1 AND movement > 0;
CREATE INDEX ledger_unmapped ON ledger (tenant, record) WHERE item >= 'unmapped:' AND item < 'unmapped;';
-- What each account holds. moved is what movements brought, balance that and the rows of the bucket itself. kind is a bucket's status, or the
-- kind of an account that is none.
CREATE TABLE ledger_account (
    tenant      {{text}} NOT NULL,
    account     {{text}} NOT NULL,
    kind        {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    item        {{text}} NOT NULL,
    moved       BIGINT NOT NULL,
    balance     BIGINT NOT NULL,
    changed_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant, account)
);
CREATE INDEX ledger_account_item ON ledger_account (tenant, item, site);
-- What movements had brought into a bucket by the moment of a count: up to a number of the count's source, and up to its time for everything
-- that this source did not number. near are the events that the clocks cannot place before or after it, within so many microseconds; below
-- zero: they must be looked for again.
CREATE TABLE ledger_closing (
    tenant      {{text}} NOT NULL,
    account     {{text}} NOT NULL,
    source      {{text}} NOT NULL,
    movement    BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    moved       BIGINT NOT NULL,
    near_ids    {{text}} NOT NULL,
    uncertainty BIGINT NOT NULL,
    PRIMARY KEY (tenant, account, source, movement, at)
);
-- Buckets need not be folded apart any more.
INSERT INTO dirty (tenant, fold_key) SELECT tenant, fold_key FROM large_key WHERE fold_key >= 'stock/' AND fold_key < 'stock0';
DELETE FROM large_key WHERE fold_key >= 'stock/' AND fold_key < 'stock0';
