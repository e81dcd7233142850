package receipt_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/receipt"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

const tenant = "acme"

var now = time.Date(2025, 11, 3, 8, 0, 0, 0, time.UTC)

// table is a database with the tables that receipts are worked out from.
type table struct {
	t *testing.T
	d *db.DB
}

func (x table) write(f func(tx *db.Tx) error) {
	x.t.Helper()
	if err := x.d.Write(x.t.Context(), f); err != nil {
		x.t.Fatal(err)
	}
}

func (x table) exec(query string, args ...any) {
	x.t.Helper()
	x.write(func(tx *db.Tx) error {
		_, err := tx.Exec(x.t.Context(), query, args...)
		return err
	})
}

// logged makes the receipt that the event log makes, as if it had been sent already.
func (x table) logged(id string, position int) {
	x.t.Helper()
	body, err := proto.Marshal(&docklinev1.EventReceipt{EventId: id, Version: 1, Subject: "SO1",
		OccurredAt: timestamppb.New(now), EventKind: docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, Origin: "picks.csv:7",
		Level: docklinev1.ReceiptLevel_RECEIPT_LEVEL_LOGGED})
	if err != nil {
		x.t.Fatal(err)
	}
	x.exec(`INSERT INTO receipt (tenant, site, event_id, version, position, level, body) VALUES (?, 'dc-east', ?, 1, ?, 1, ?)`,
		tenant, id, position, body)
}

// posting puts a posting of that state there, fed by the event.
func (x table) posting(target, key, state, number, event string) {
	x.t.Helper()
	documents, err := proto.Marshal(&docklinev1.DocumentReferences{Documents: []*docklinev1.DocumentReference{
		{System: target, Kind: "shipment", Number: number}}})
	if err != nil {
		x.t.Fatal(err)
	}
	x.exec(`INSERT INTO posting (tenant, target, kind, natural_key, fold_key, serial_key, style, state, document, document_hash,
		source_version, policy_version, documents, fault_text, fault_remedy, created_at, changed_at)
		VALUES (?, ?, 'goods_issue', ?, 'order/SO1', '', 'advance', ?, ?, '', 1, 'v1', ?, 'no such item', 'Add it.', 1, 1)`,
		tenant, target, key, state, []byte{}, documents)
	x.exec(`INSERT INTO posting_event (tenant, event_id, target, kind, natural_key) VALUES (?, ?, ?, 'goods_issue', ?)`,
		tenant, event, target, key)
}

func (x table) state(key, state string) {
	x.t.Helper()
	x.exec(`UPDATE posting SET state = ? WHERE natural_key = ?`, state, key)
}

func (x table) refresh(ids ...string) {
	x.t.Helper()
	x.write(func(tx *db.Tx) error {
		return receipt.Refresh(x.t.Context(), tx, tenant, ids, []string{"erp", "books"}, now)
	})
}

// expect reads a receipt and holds its level against what is wanted.
func (x table) expect(id string, level docklinev1.ReceiptLevel) *docklinev1.EventReceipt {
	x.t.Helper()
	r := new(docklinev1.EventReceipt)
	var version, positioned, inColumn int64
	err := x.d.Read(x.t.Context(), func(tx *db.Tx) error {
		var body []byte
		err := tx.QueryRow(x.t.Context(), `SELECT version, level, CASE WHEN position IS NULL THEN 0 ELSE 1 END, body FROM receipt
			WHERE tenant = ? AND event_id = ?`, tenant, id).Scan(&version, &inColumn, &positioned, &body)
		if err != nil {
			return err
		}
		return proto.Unmarshal(body, r)
	})
	if err != nil {
		x.t.Fatal(err)
	}
	if r.Version != uint64(version) {
		x.t.Errorf("%s: version %d in the body, %d in the column", id, r.Version, version)
	}
	if r.Level != level || inColumn != int64(level) {
		x.t.Errorf("%s: level %v (column %d), want %v", id, r.Level, inColumn, level)
	}
	if (positioned == 1) != (r.Version == 1) {
		x.t.Errorf("%s: version %d and a position %d: a new version must get a new position", id, r.Version, positioned)
	}
	if r.Subject != "SO1" || r.EventId != id || r.Origin != "picks.csv:7" || r.EventKind != docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED || !r.OccurredAt.AsTime().Equal(now) {
		x.t.Errorf("%s: what it is about is another now: %v", id, r)
	}
	return r
}

func (x table) version(id string, want uint64) {
	x.t.Helper()
	var got uint64
	err := x.d.Read(x.t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(x.t.Context(), `SELECT version FROM receipt WHERE tenant = ? AND event_id = ?`, tenant, id).Scan(&got)
	})
	if err != nil {
		x.t.Fatal(err)
	}
	if got != want {
		x.t.Errorf("%s: version %d, want %d", id, got, want)
	}
}

const (
	logged     = docklinev1.ReceiptLevel_RECEIPT_LEVEL_LOGGED
	confirmed  = docklinev1.ReceiptLevel_RECEIPT_LEVEL_CONFIRMED
	noDocument = docklinev1.ReceiptLevel_RECEIPT_LEVEL_NO_DOCUMENT
	refused    = docklinev1.ReceiptLevel_RECEIPT_LEVEL_REFUSED
	excepted   = docklinev1.ReceiptLevel_RECEIPT_LEVEL_EXCEPTION
)

func TestReceiptFollowsItsCauses(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		x := table{t, d}
		x.logged("e1", 1)
		x.refresh("e1", "e1", "unknown")
		x.expect("e1", logged)
		x.version("e1", 1)

		x.posting("crm", "SO1", "confirmed", "7", "e1") // no system of record
		x.refresh("e1")
		x.expect("e1", logged)

		x.exec(`INSERT INTO no_document (tenant, event_id, fold_key, reason) VALUES (?, 'e1', 'shipment/x', 'it only packs')`, tenant)
		x.refresh("e1")
		if r := x.expect("e1", noDocument); r.Text != "it only packs" {
			t.Errorf("text %q", r.Text)
		}
		x.version("e1", 2)

		x.posting("erp", "SO1/S1", "confirmed", "OUT1", "e1")
		x.posting("books", "SO1/S1b", "sending", "", "e1")
		x.refresh("e1")
		if r := x.expect("e1", logged); r.Text != "books: no such item Add it." {
			t.Errorf("what it waits for: %q", r.Text)
		}

		x.state("SO1/S1b", "superseded")
		x.refresh("e1")
		if r := x.expect("e1", confirmed); len(r.Documents) != 1 || r.Documents[0].Number != "OUT1" {
			t.Errorf("documents %v", r.Documents)
		}
		x.version("e1", 4)
		x.refresh("e1")
		x.version("e1", 4)

		x.state("SO1/S1b", "rejected")
		x.refresh("e1")
		if r := x.expect("e1", refused); r.Text != "no such item Add it." {
			t.Errorf("text %q", r.Text)
		}
		x.state("SO1/S1b", "correcting")
		x.refresh("e1")
		x.expect("e1", logged)
	})
}

func TestOpenExceptionGoesFirst(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		x := table{t, d}
		x.logged("e1", 1)
		x.logged("e2", 2)
		x.posting("erp", "SO1/S1", "confirmed", "OUT1", "e1")
		sync := func(desired ...exception.Desired) (numbers []uint64) {
			x.write(func(tx *db.Tx) error {
				s, err := exception.Sync(t.Context(), tx, tenant, "fold/order/SO1", desired, now)
				numbers = s.Numbers
				return err
			})
			x.refresh("e1", "e2")
			return numbers
		}
		numbers := sync(exception.Desired{Code: "late", Subject: "SO1", Title: "Late", EventIDs: []string{"e1"}},
			exception.Desired{Code: "short_pick", Subject: "SO1 line 1", Severity: docklinev1.Severity_SEVERITY_ERROR, Title: "Short",
				Text: "2 are missing", EventIDs: []string{"e1"}})
		if r := x.expect("e1", excepted); r.Exception != numbers[1] || r.Text != "Short: 2 are missing" {
			t.Errorf("the gravest exception should be named: %v", r)
		}
		x.expect("e2", logged)
		sync()
		x.expect("e1", confirmed)
		x.version("e1", 3)
		x.version("e2", 1)
	})
}

func TestManyReceiptsAtOnce(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		x := table{t, d}
		var ids []string
		receipts := db.Insert{Table: "receipt", Columns: []string{"tenant", "site", "event_id", "version", "level", "body"}}
		reasons := db.Insert{Table: "no_document", Columns: []string{"tenant", "event_id", "fold_key", "reason"}}
		for i := range 450 {
			id := fmt.Sprintf("e%03d", i)
			ids = append(ids, id)
			receipts.Rows = append(receipts.Rows, []any{tenant, "dc-east", id, 1, 1, []byte{}})
			reasons.Rows = append(reasons.Rows, []any{tenant, id, "k", "none"})
		}
		x.write(func(tx *db.Tx) error {
			if err := tx.InsertAll(t.Context(), receipts); err != nil {
				return err
			}
			return tx.InsertAll(t.Context(), reasons)
		})
		x.refresh(ids...)
		for _, id := range ids {
			x.version(id, 2)
		}
	})
}
