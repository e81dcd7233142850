package wmssql_test

import (
	"fmt"
	"strings"
	"testing"
)

const replicatedPicks = `DATABASE  replication: {slot: SLOT, publication: dockline}
zone: Europe/Berlin
poll: 100ms
settle: 1s
overlap: 1s
streams:
  - {name: picks, from: replication, table: picks, kind: pick.confirmed, key: id, columns: {ord: order, sku: item, qty: quantity, at: occurred_at, note: lot}}
  - {name: ships, from: replication, table: ships, kind: shipment.departed, key: ship, group: true, columns: {ship: shipment, ord: order, sku: item, qty: quantity, at: occurred_at}}
`

var pickTables = []string{
	"CREATE TABLE picks (id bigint PRIMARY KEY, ord text, sku text, qty numeric, at timestamptz DEFAULT '2026-07-04 08:00+00', note text)",
	"CREATE TABLE ships (ship text, line integer, ord text, sku text, qty integer, at timestamptz DEFAULT '2026-07-04 09:00+00', PRIMARY KEY (ship, line))",
	"CREATE TABLE other (id integer PRIMARY KEY)",
	"CREATE PUBLICATION dockline FOR TABLE picks, ships, other",
}

// What stood in the tables before, and what then becomes of their rows: told, corrected, taken back, and each transaction as it was committed.
//
// Shows: S35
func TestReplicationTellsWhatBecomesOfRows(t *testing.T) {
	w := newWarehouse(t, logicalCluster(t), replicatedPicks, append(pickTables,
		"INSERT INTO picks (id, ord, sku, qty) VALUES (1, 'SO1', 'A', 1), (2, 'SO1', 'B', 2)", "INSERT INTO ships VALUES ('S1', 1, 'SO1', 'A', 1), ('S1', 2, 'SO1', 'B', 2)")...)
	w.start()
	w.tells("picks/1 v1", "picks/2 v1", "ships/S1 v1")
	execute(t, w.DB, "INSERT INTO picks (id, ord, sku, qty) VALUES (3, 'SO1', 'C', 3)")
	w.tells("picks/3 v1")
	execute(t, w.DB, "UPDATE picks SET qty = 5 WHERE id = 1")
	w.tells("picks/1 v2", "declared picks/1 v1 incorrect_data")
	execute(t, w.DB, "DELETE FROM picks WHERE id = 2")
	w.tells("declared picks/2 v1 did_not_occur")
	execute(t, w.DB, "UPDATE picks SET id = 4 WHERE id = 3")
	w.tells("picks/4 v1", "declared picks/3 v1 did_not_occur")
	execute(t, w.DB, "BEGIN; INSERT INTO picks (id, ord, sku, qty) VALUES (5, 'SO1', 'A', 1); UPDATE picks SET qty = 2 WHERE id = 5; INSERT INTO picks (id, ord, sku, qty) VALUES (6, 'SO1', 'A', 1); DELETE FROM picks WHERE id = 6; COMMIT",
		"BEGIN; INSERT INTO picks (id, ord, sku, qty) VALUES (7, 'SO1', 'A', 1); ROLLBACK")
	w.tells("picks/5 v1")
	execute(t, w.DB, "INSERT INTO picks (id, ord, sku, qty) VALUES (8, 'SO1', 'A', NULL)")
	w.tells("refused field_missing")
	execute(t, w.DB, "UPDATE picks SET qty = 1 WHERE id = 8")
	w.tells("picks/8 v1")
	execute(t, w.DB, "BEGIN; INSERT INTO ships VALUES ('S2', 1, 'SO2', 'A', 1); INSERT INTO ships VALUES ('S2', 2, 'SO2', 'B', 1); INSERT INTO other VALUES (1); COMMIT")
	w.tells("ships/S2 v1")
	execute(t, w.DB, "DELETE FROM ships WHERE ship = 'S2' AND line = 2")
	w.tells("ships/S2 v2", "declared ships/S2 v1 incorrect_data")
	execute(t, w.DB, "DELETE FROM ships WHERE ship = 'S2'")
	w.tells("declared ships/S2 v2 did_not_occur")
	// A wide value that does not change is not sent again.
	execute(t, w.DB, "ALTER TABLE picks ALTER note SET STORAGE EXTERNAL", "INSERT INTO picks (id, ord, sku, qty, note) VALUES (9, 'SO1', 'A', 1, repeat('x', 9000))")
	w.tells("refused code_too_long")
	execute(t, w.DB, "UPDATE picks SET qty = 2 WHERE id = 9")
	w.tells("refused code_too_long")
	w.stop()
	execute(t, w.DB, "UPDATE picks SET qty = 6 WHERE id = 1", "INSERT INTO picks (id, ord, sku, qty) VALUES (10, 'SO1', 'A', 1)")
	w.start()
	w.tells("picks/1 v3", "declared picks/1 v2 incorrect_data", "picks/10 v1")
	if w.journal.says("table_truncated") {
		t.Error("it says that a table was emptied, and none was")
	}
	execute(t, w.DB, "TRUNCATE picks", "INSERT INTO picks (id, ord, sku, qty) VALUES (11, 'SO1', 'A', 1)")
	w.tells("picks/11 v1")
	w.condition("table_truncated", "picks", "stays told")
}

// By whichever way a row is read, it is the same event: times with and without an offset, NULL, and every type of which the driver makes a value.
func TestReplicationTellsTheSameAsPolling(t *testing.T) {
	table := []string{`CREATE TABLE wide (id uuid PRIMARY KEY, num numeric(12,3), f4 real, f8 double precision, yes boolean, day date, wall timestamp, moment timestamptz, raw bytea, js jsonb, txt varchar(40), i smallint, changed timestamptz DEFAULT '2026-07-04 08:00+00')`,
		`CREATE PUBLICATION dockline FOR TABLE wide`,
		`INSERT INTO wide VALUES ('00000000-0000-0000-0000-000000000001', 1.500, 0.1, 1e20, true, '2026-02-03', '2026-03-29 03:30:00.123456', '2026-03-29 03:30:00.5+02', '\x00ff', '{"b": 1, "a": [2]}', 'a', 7),
 ('00000000-0000-0000-0000-000000000002', 12345678.125, 3.4e38, -1.5e-7, false, '1999-12-31', '2026-10-25 02:30:00', '2026-10-25 02:30:00+01', '', 'null', '', -3),
 ('00000000-0000-0000-0000-000000000003', 3, NULL, NULL, NULL, NULL, '2026-01-01 00:00:00', NULL, NULL, NULL, NULL, NULL)`}
	config := `DATABASE  replication: {slot: SLOT, publication: dockline}
zone: Europe/Berlin
poll: 100ms
overlap: 1s
streams:
  - name: wide
    from: FROM
    table: wide
    watermark: changed
    kind: pick.confirmed
    when: 'row["raw"] != "x" && row["js"] != "x"'
    key: id
    revision: i
    columns: {num: quantity, wall: occurred_at, txt: lot, moment: task, f8: bin, day: handling_unit, raw: order, js: unit, f4: order_line, yes: item}
`
	c := logicalCluster(t)
	told := map[string]map[string]string{}
	for _, from := range []string{"polling", "replication", "replication, live"} {
		word, live := strings.CutSuffix(from, ", live")
		cfg := strings.Replace(config, "FROM", word, 1)
		if word == "polling" {
			cfg = strings.Replace(cfg, "  replication: {slot: SLOT, publication: dockline}\n", "", 1)
		}
		statements := table
		if live {
			statements = table[:2]
		}
		w := newWarehouse(t, c, cfg, statements...)
		w.start()
		if live {
			w.until("the slot is followed", func() bool { return w.journal.device("replication_slot").GetReachable() })
			execute(t, w.DB, table[2])
		}
		w.until("all three are told", func() bool { return w.journal.count() >= 3 })
		w.stop()
		told[from] = map[string]string{}
		for _, e := range w.journal.events {
			e.Origin = ""
			told[from][e.GetSourceKey()+string(e.GetDeadLetter().GetRaw())] = fmt.Sprint(idOfEvent(e), " ", e.GetOccurredAt().AsTime(), " ", e.GetPayload())
		}
	}
	if len(told["polling"]) != 3 {
		t.Errorf("the test compares %d rows: %v", len(told["polling"]), told["polling"])
	}
	for from, rows := range told {
		for key, want := range told["polling"] {
			if rows[key] != want {
				t.Errorf("%s tells %q as %s, polling as %s", from, key, rows[key], want)
			}
		}
		if len(rows) != 3 {
			t.Errorf("%s tells %d rows: %v", from, len(rows), rows)
		}
	}
}
