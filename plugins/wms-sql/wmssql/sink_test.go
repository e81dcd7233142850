package wmssql

import (
	"strings"
	"testing"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const inboundConfig = `
DATABASE
commands:
  ledger: ledger
  release_order:
    table: lines
    columns: [{column: number, field: number}, {column: version, field: version}, {column: sku, field: item, required: true}, {column: qty, field: quantity}, {column: source, text: DOCKLINE}]
    head: {table: heads, columns: [{column: number, field: number}, {column: version, field: version}, {column: customer, field: customer}]}
`

func inboundSite(t *testing.T) (*site, *sink) {
	s := newSite(t, inboundConfig, "CREATE TABLE lines (number TEXT, version INTEGER, sku TEXT CHECK (sku <> 'BAD'), qty NUMERIC, source TEXT)", "CREATE TABLE heads (number TEXT, version INTEGER, customer TEXT)",
		ledgerTable("ledger"))
	k := &sink{setup: s.setup(), log: discard()}
	t.Cleanup(func() { _ = k.db.Close() })
	return s, k
}

func release(version uint64, items ...string) *docklinev1.Command {
	o := &docklinev1.Order{Number: "SO1"}
	for _, item := range items {
		o.Lines = append(o.Lines, &docklinev1.Line{Item: item, Quantity: &docklinev1.Quantity{Value: "2.5"}})
	}
	return &docklinev1.Command{Key: "release/SO1", Version: version, Work: &docklinev1.Command_ReleaseOrder{ReleaseOrder: &docklinev1.ReleaseOrder{Order: o}}}
}

func (s *site) count(query string) (n int) {
	s.t.Helper()
	if err := s.db.QueryRow(query).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// A release is written once for its key and version, head and lines together, also where the answer was lost and where the WMS has emptied its tables
// meanwhile.
//
// Shows: E22
func TestReleaseIsWrittenOnce(t *testing.T) {
	s, k := inboundSite(t)
	for range 3 {
		r, err := k.deliver(t.Context(), release(1, "A", "B"))
		if err != nil || r.GetOutcome() != docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED {
			t.Fatal(r, err)
		}
		s.run("DELETE FROM lines WHERE sku = 'B'") // the WMS takes it
		k = &sink{setup: s.setup(), log: discard()}
	}
	if lines, heads, qty := s.count("SELECT count(*) FROM lines"), s.count("SELECT count(*) FROM heads WHERE customer IS NULL"), s.count("SELECT count(*) FROM lines WHERE qty = 2.5 AND source = 'DOCKLINE'"); lines != 1 || heads != 1 || qty != 1 {
		t.Errorf("%d lines, %d heads, %d as they should be", lines, heads, qty)
	}
	if r, err := k.deliver(t.Context(), release(3, "A")); err != nil || r.GetOutcome() != docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED {
		t.Error(r, err)
	}
	if r, err := k.deliver(t.Context(), release(2, "A")); err != nil || r.GetOutcome() != docklinev1.CommandOutcome_COMMAND_OUTCOME_SUPERSEDED {
		t.Error(r, err)
	}
	if found, version, err := k.find(t.Context(), "release/SO1"); err != nil || !found || version != 3 {
		t.Error(found, version, err)
	}
	if s.count("SELECT count(*) FROM heads") != 2 {
		t.Error("a superseded version was written")
	}
}

// What the WMS does not take is refused with its words, for ever the same, and nothing of it stays.
func TestWorkThatIsRefused(t *testing.T) {
	s, k := inboundSite(t)
	for want, command := range map[string]*docklinev1.Command{
		"does not take line 2": release(1, "A", "BAD"), "has no item": release(2, "A", ""), "has no lines": release(3),
		"no section commands.cancel_order": {Key: "cancel/SO1", Version: 1, Work: &docklinev1.Command_CancelOrder{CancelOrder: &docklinev1.CancelOrder{Number: "SO1"}}},
	} {
		command.Key += want
		for range 2 {
			r, err := k.deliver(t.Context(), command)
			if err != nil || r.GetOutcome() != docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED || !strings.Contains(r.GetText(), want) {
				t.Errorf("want %q: %v %v", want, r, err)
			}
		}
		if found, _, err := k.find(t.Context(), command.GetKey()); found || err != nil {
			t.Error("a refused command is found as applied", err)
		}
	}
	if n := s.count("SELECT (SELECT count(*) FROM lines) + (SELECT count(*) FROM heads)"); n != 0 {
		t.Errorf("%d rows stay of what was refused", n)
	}
}
