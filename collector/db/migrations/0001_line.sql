-- Portable SQL: {{serial}}, {{blob}} and {{text}} are filled in by package db. Times are Unix microseconds UTC, quantities are
-- millionths of the base unit. Every table has tenant; keys are compared byte by byte.

-- +goose Up
CREATE TABLE meta (
    name        {{text}} PRIMARY KEY,
    value       {{text}} NOT NULL
);
CREATE TABLE lease (
    name        {{text}} PRIMARY KEY,
    holder      {{text}} NOT NULL,
    expires_at  BIGINT NOT NULL
);

-- fleet -----------------------------------------------------------------------------------------------------------
CREATE TABLE site (
    tenant      {{text}} NOT NULL,
    id          {{text}} NOT NULL,
    title       {{text}} NOT NULL DEFAULT '',
    region      {{text}} NOT NULL DEFAULT '',
    created_at  BIGINT NOT NULL,
    certificate_serial    {{text}} NOT NULL DEFAULT '',
    certificate_not_after BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, id)
);
-- What the site last said of itself. online is what it said; a reader also looks at seen_at.
CREATE TABLE presence (
    tenant      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    session     {{text}} NOT NULL,
    online      BIGINT NOT NULL,
    connected_at BIGINT NOT NULL,
    seen_at     BIGINT NOT NULL,
    heartbeat   {{blob}},
    commands_through BIGINT NOT NULL DEFAULT 0,
    receipts_through BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, site)
);

-- ingest ----------------------------------------------------------------------------------------------------------
CREATE TABLE epoch (
    tenant      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    epoch       {{text}} NOT NULL,
    ordinal     BIGINT NOT NULL,
    predecessor {{text}} NOT NULL DEFAULT '',
    predecessor_last_seq BIGINT NOT NULL DEFAULT 0,
    last_seq    BIGINT NOT NULL DEFAULT 0,
    seen_at     BIGINT NOT NULL,
    PRIMARY KEY (tenant, site, epoch)
);
-- Envelopes that are durable and not yet in the event log; a row is deleted in the transaction that fills the log.
-- state: 0 waiting, 1 dead (the body could not be read; kept whole).
CREATE TABLE inbox (
    id          {{serial}},
    tenant      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    epoch       {{text}} NOT NULL,
    epoch_ordinal BIGINT NOT NULL,
    first_seq   BIGINT NOT NULL,
    last_seq    BIGINT NOT NULL,
    live        BIGINT NOT NULL,
    urgent      BIGINT NOT NULL,
    state       BIGINT NOT NULL DEFAULT 0,
    envelope    {{blob}} NOT NULL,
    received_at BIGINT NOT NULL
);
CREATE INDEX inbox_waiting ON inbox (state, urgent, live, id);
-- Closed ranges of Seq that are durable, merged; crc is that of the pack that ends at hi.
CREATE TABLE received (
    tenant      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    epoch       {{text}} NOT NULL,
    lo          BIGINT NOT NULL,
    hi          BIGINT NOT NULL,
    crc         BIGINT NOT NULL,
    PRIMARY KEY (tenant, site, epoch, lo)
);
-- A plugin's cursor by envelope, kept for those beyond the contiguous watermark and the newest at or below it.
CREATE TABLE plugin_cursor (
    tenant      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    plugin      {{text}} NOT NULL,
    epoch       {{text}} NOT NULL,
    epoch_ordinal BIGINT NOT NULL,
    last_seq    BIGINT NOT NULL,
    cursors     {{blob}} NOT NULL,
    PRIMARY KEY (tenant, site, plugin, epoch, last_seq)
);
-- How far each stream of a site has told everything, as of what is in the event log without a gap.
CREATE TABLE stream (
    tenant      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    plugin      {{text}} NOT NULL,
    stream      {{text}} NOT NULL,
    moves_stock BIGINT NOT NULL,
    through_at  BIGINT NOT NULL,
    movement    BIGINT NOT NULL,
    PRIMARY KEY (tenant, site, plugin, stream)
);

-- event log -------------------------------------------------------------------------------------------------------
-- log_offset is given after commit by the sequencer; readers see only rows that have one.
-- variant 0: in force; 1: same id, other body, kept beside it.
CREATE TABLE event (
    log_id      {{serial}},
    log_offset  BIGINT,
    tenant      {{text}} NOT NULL,
    partition_key {{text}} NOT NULL,
    id          {{text}} NOT NULL,
    variant     BIGINT NOT NULL DEFAULT 0,
    site        {{text}} NOT NULL,
    source      {{text}} NOT NULL,
    kind        BIGINT NOT NULL,
    subject     {{text}} NOT NULL,
    epoch       {{text}} NOT NULL,
    epoch_ordinal BIGINT NOT NULL,
    seq         BIGINT NOT NULL,
    occurred_at BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    body        {{blob}} NOT NULL
);
CREATE UNIQUE INDEX event_offset ON event (log_offset);
CREATE INDEX event_id ON event (tenant, id);
-- The dedup table: narrow, never expires.
CREATE TABLE event_identity (
    tenant      {{text}} NOT NULL,
    id          {{text}} NOT NULL,
    body_hash   {{blob}} NOT NULL,
    log_id      BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
-- One row for each key that an event touches; body is the event with only the lines that concern the key.
CREATE TABLE fact (
    tenant      {{text}} NOT NULL,
    fold_key    {{text}} NOT NULL,
    log_id      BIGINT NOT NULL,
    event_id    {{text}} NOT NULL,
    epoch_ordinal BIGINT NOT NULL,
    seq         BIGINT NOT NULL,
    body        {{blob}} NOT NULL,
    PRIMARY KEY (tenant, fold_key, log_id)
);
CREATE INDEX fact_event ON fact (tenant, event_id);
-- Append-only marks: a worker deletes exactly those that it read. due_at 0 is at once, else a fold asked to be woken then.
CREATE TABLE dirty (
    id          {{serial}},
    tenant      {{text}} NOT NULL,
    fold_key    {{text}} NOT NULL,
    due_at      BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX dirty_key ON dirty (tenant, fold_key);
CREATE INDEX dirty_due ON dirty (due_at, id);
-- Keys whose fold waits for a site's streams to be complete through a moment.
CREATE TABLE stream_wait (
    tenant      {{text}} NOT NULL,
    fold_key    {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    PRIMARY KEY (tenant, fold_key, site)
);
CREATE INDEX stream_wait_site ON stream_wait (tenant, site);
CREATE TABLE connector_cursor (
    tenant      {{text}} NOT NULL,
    connector   {{text}} NOT NULL,
    cursor_value {{blob}} NOT NULL,
    polled_at   BIGINT NOT NULL,
    PRIMARY KEY (tenant, connector)
);

-- state -----------------------------------------------------------------------------------------------------------
-- body is a serialised OrderState, ShipmentState, CountState or StockState, by the key's first segment.
CREATE TABLE state (
    tenant      {{text}} NOT NULL,
    fold_key    {{text}} NOT NULL,
    body        {{blob}} NOT NULL,
    hash        {{text}} NOT NULL,
    status      {{text}} NOT NULL DEFAULT '',
    site        {{text}} NOT NULL DEFAULT '',
    customer    {{text}} NOT NULL DEFAULT '',
    fact_count  BIGINT NOT NULL,
    policy_version {{text}} NOT NULL,
    first_at    BIGINT NOT NULL,
    changed_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant, fold_key)
);
CREATE INDEX state_changed ON state (tenant, changed_at);
CREATE TABLE policy_version (
    tenant      {{text}} NOT NULL,
    version     {{text}} NOT NULL,
    body        {{blob}} NOT NULL,
    activated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, version)
);

-- posting ---------------------------------------------------------------------------------------------------------
CREATE TABLE posting (
    id          {{serial}},
    tenant      {{text}} NOT NULL,
    target      {{text}} NOT NULL,
    kind        {{text}} NOT NULL,
    natural_key {{text}} NOT NULL,
    fold_key    {{text}} NOT NULL,
    serial_key  {{text}} NOT NULL,
    site        {{text}} NOT NULL DEFAULT '',
    correlation_id {{text}} NOT NULL DEFAULT '',
    style       {{text}} NOT NULL,
    state       {{text}} NOT NULL,
    document    {{blob}} NOT NULL,
    document_hash {{text}} NOT NULL,
    source_version BIGINT NOT NULL,
    confirmed_hash {{text}} NOT NULL DEFAULT '',
    confirmed_version BIGINT NOT NULL DEFAULT 0,
    documents   {{blob}},
    policy_version {{text}} NOT NULL,
    attempts    BIGINT NOT NULL DEFAULT 0,
    ready_at    BIGINT NOT NULL DEFAULT 0,
    lease_holder {{text}} NOT NULL DEFAULT '',
    lease_until BIGINT NOT NULL DEFAULT 0,
    unknown_since BIGINT NOT NULL DEFAULT 0,
    fault_class BIGINT NOT NULL DEFAULT 0,
    fault_code  {{text}} NOT NULL DEFAULT '',
    fault_text  {{text}} NOT NULL DEFAULT '',
    created_at  BIGINT NOT NULL,
    changed_at  BIGINT NOT NULL,
    confirmed_at BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX posting_key ON posting (tenant, target, kind, natural_key);
CREATE INDEX posting_work ON posting (target, state, ready_at);
CREATE INDEX posting_fold ON posting (tenant, fold_key);
CREATE INDEX posting_changed ON posting (tenant, changed_at);
CREATE TABLE posting_dependency (
    tenant      {{text}} NOT NULL,
    target      {{text}} NOT NULL,
    kind        {{text}} NOT NULL,
    natural_key {{text}} NOT NULL,
    needs_target {{text}} NOT NULL,
    needs_kind  {{text}} NOT NULL,
    needs_key   {{text}} NOT NULL,
    PRIMARY KEY (tenant, target, kind, natural_key, needs_target, needs_kind, needs_key)
);
CREATE INDEX posting_needed ON posting_dependency (tenant, needs_target, needs_kind, needs_key);
-- Which events feed a posting: receipts are worked out from it.
CREATE TABLE posting_event (
    tenant      {{text}} NOT NULL,
    event_id    {{text}} NOT NULL,
    target      {{text}} NOT NULL,
    kind        {{text}} NOT NULL,
    natural_key {{text}} NOT NULL,
    PRIMARY KEY (tenant, event_id, target, kind, natural_key)
);
CREATE INDEX posting_event_posting ON posting_event (tenant, target, kind, natural_key);

-- exceptions, receipts, commands ------------------------------------------------------------------------------------
-- origin is who says that it exists ("fold/order/SO1", "posting/erp/goods_issue/...", "ingest/..."): when that origin no longer says so, it closes.
CREATE TABLE exception (
    number      {{serial}},
    tenant      {{text}} NOT NULL,
    origin      {{text}} NOT NULL,
    code        {{text}} NOT NULL,
    subject     {{text}} NOT NULL,
    class       BIGINT NOT NULL,
    severity    BIGINT NOT NULL,
    state       {{text}} NOT NULL,
    title       {{text}} NOT NULL,
    text        {{text}} NOT NULL,
    team        {{text}} NOT NULL,
    site        {{text}} NOT NULL DEFAULT '',
    order_number {{text}} NOT NULL DEFAULT '',
    customer    {{text}} NOT NULL DEFAULT '',
    value       {{text}} NOT NULL DEFAULT '',
    detail      {{blob}},
    due_at      BIGINT NOT NULL DEFAULT 0,
    opened_at   BIGINT NOT NULL,
    changed_at  BIGINT NOT NULL,
    resolved_at BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX exception_cause ON exception (tenant, origin, code, subject);
CREATE INDEX exception_state ON exception (tenant, state, changed_at);
CREATE TABLE exception_event (
    tenant      {{text}} NOT NULL,
    number      BIGINT NOT NULL,
    event_id    {{text}} NOT NULL,
    PRIMARY KEY (tenant, number, event_id)
);
CREATE INDEX exception_event_event ON exception_event (tenant, event_id);
-- Why an event leads to no document, by the key whose fold says so.
CREATE TABLE no_document (
    tenant      {{text}} NOT NULL,
    event_id    {{text}} NOT NULL,
    fold_key    {{text}} NOT NULL,
    reason      {{text}} NOT NULL,
    PRIMARY KEY (tenant, event_id, fold_key)
);
-- position is given after commit, in order, by the sequencer, anew whenever the version rises.
CREATE TABLE receipt (
    tenant      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    event_id    {{text}} NOT NULL,
    version     BIGINT NOT NULL,
    position    BIGINT,
    level       BIGINT NOT NULL,
    body        {{blob}} NOT NULL,
    PRIMARY KEY (tenant, event_id)
);
CREATE UNIQUE INDEX receipt_position ON receipt (tenant, site, position);
CREATE TABLE command (
    tenant      {{text}} NOT NULL,
    site        {{text}} NOT NULL,
    command_key {{text}} NOT NULL,
    version     BIGINT NOT NULL,
    position    BIGINT,
    body        {{blob}} NOT NULL,
    body_hash   {{text}} NOT NULL,
    outcome     BIGINT NOT NULL DEFAULT 0,
    outcome_text {{text}} NOT NULL DEFAULT '',
    created_at  BIGINT NOT NULL,
    completed_at BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, site, command_key)
);
CREATE UNIQUE INDEX command_position ON command (tenant, site, position);
