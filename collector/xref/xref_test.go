package xref_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/xref"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

const tenant = "acme"

func open(t *testing.T) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

// take imports a file, as a person does.
func take(t *testing.T, d *db.DB, system, file string, whole bool) xref.Change {
	t.Helper()
	entries, err := xref.ReadCSV(strings.NewReader(file), system)
	if err != nil {
		t.Fatal(err)
	}
	var c xref.Change
	if err := d.Write(t.Context(), func(tx *db.Tx) (err error) {
		c, err = xref.Take(t.Context(), tx, xref.Import{Tenant: tenant, System: system, Entries: entries, Whole: whole, By: "ines", Reason: "new list"}, time.Now())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return c
}

func issue(key, item string) *connector.Posting {
	return &connector.Posting{Tenant: tenant, Kind: connector.GoodsIssue, Key: key, SourceVersion: 1, Document: &docklinev1.Document{Document: &docklinev1.Document_GoodsIssue{
		GoodsIssue: &docklinev1.GoodsIssue{Order: "SO1", Shipment: "S1", Site: "dc-east", Carrier: "nordwind", Lines: []*docklinev1.DocumentLine{{OrderLine: "1", Item: item, Unit: "each", Quantity: "2"}}}}}}
}

func adjustment(key, reason string) *connector.Posting {
	return &connector.Posting{Tenant: tenant, Kind: connector.StockAdjustment, Key: key, SourceVersion: 1, Document: &docklinev1.Document{Document: &docklinev1.Document_StockAdjustment{
		StockAdjustment: &docklinev1.StockAdjustment{Count: "C1", Site: "dc-east", Item: "BOLT", Delta: "1", Reason: reason}}}}
}

func text(m proto.Message) string { return strings.ReplaceAll(fmt.Sprint(m), "  ", " ") }

// Two systems know the same things by codes of their own: each is told its own, in documents of every kind, and what each reports becomes ours. What is
// of no domain that the system has codes for goes as it is.
//
// Shows: S41
func TestEachSystemIsToldItsOwnCodes(t *testing.T) {
	d := open(t)
	take(t, d, "erp", "domain,ours,theirs\nitem,BOLT,4711-08\nwarehouse,dc-east,0010\nunit,each,EA\ncustomer,C9,K-9\n", false)
	take(t, d, "crm", "domain,ours,theirs,direction\nitem,BOLT,Bolt M8,both\ncarrier,nordwind,NW,both\nreason,damaged,DMG,both\nreason,damaged,BROKEN,in\n", false)
	erp, crm := &connectortest.Memory{}, &connectortest.Memory{}
	toERP := xref.Translate(erp, xref.Table{DB: d, Tenant: tenant, System: "erp", Demands: map[xref.Domain]xref.Demand{xref.Item: xref.Required, xref.Warehouse: xref.Required, xref.Unit: xref.Required, xref.Customer: xref.Required}})
	toCRM := xref.Translate(crm, xref.Table{DB: d, Tenant: tenant, System: "crm", Demands: map[xref.Domain]xref.Demand{xref.Item: xref.Required, xref.Carrier: xref.Optional, xref.Reason: xref.Optional}})
	p := issue("SO1/S1", "BOLT")
	before := proto.CloneOf(p.Document)
	for _, c := range []connector.Connector{toERP, toCRM} {
		if _, err := c.Apply(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if found, err := c.Find(t.Context(), p); err != nil || len(found) != 1 || !found[0].Complete {
			t.Errorf("it does not find what it was told: %+v, %v", found, err)
		}
	}
	if !proto.Equal(before, p.Document) {
		t.Error("the posting itself was changed")
	}
	if got := erp.Document(p.Kind, p.Key).GetGoodsIssue(); got.GetSite() != "0010" || got.GetCarrier() != "nordwind" || got.GetLines()[0].GetItem() != "4711-08" || got.GetLines()[0].GetUnit() != "EA" {
		t.Errorf("the ERP was told %s", text(got))
	}
	if got := crm.Document(p.Kind, p.Key).GetGoodsIssue(); got.GetSite() != "dc-east" || got.GetCarrier() != "NW" || got.GetLines()[0].GetItem() != "Bolt M8" || got.GetLines()[0].GetUnit() != "each" {
		t.Errorf("the CRM was told %s", text(got))
	}
	if _, err := toCRM.Apply(t.Context(), adjustment("C1", "damaged")); err != nil {
		t.Fatal(err)
	}
	if got := crm.Document(connector.StockAdjustment, "C1").GetStockAdjustment().GetReason(); got != "DMG" {
		t.Errorf("the CRM was told the reason %q", got)
	}
	erp.Happen(&docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED, Subject: "SO2", SourceKey: "sale/SO2", Payload: &docklinev1.Event_Order{Order: &docklinev1.Order{Number: "SO2",
		Site: "0010", Customer: "K-9", Lines: []*docklinev1.Line{{OrderLine: "1", Item: "4711-08", Quantity: &docklinev1.Quantity{Value: "3", Unit: "EA"}}}}}})
	changes, err := toERP.Changes(t.Context(), nil)
	if err != nil || len(changes.Events) != 1 {
		t.Fatalf("%v, %v", changes, err)
	}
	if o := changes.Events[0].GetOrder(); o.GetSite() != "dc-east" || o.GetCustomer() != "C9" || o.GetLines()[0].GetItem() != "BOLT" || o.GetLines()[0].GetQuantity().GetUnit() != "each" {
		t.Errorf("the ERP's order became %s", text(o))
	}
	erp.Book("0010", "4711-08", "12")
	erp.Book("0020", "4711-08", "99")
	books, err := toERP.Snapshot(t.Context(), connector.Scope{Site: "dc-east"})
	if err != nil || len(books) != 1 || books[0].GetSubject() != "dc-east" || books[0].GetStockSnapshot().GetSite() != "dc-east" || books[0].GetStockSnapshot().GetLines()[0].GetItem() != "BOLT" {
		t.Errorf("the ERP's book became %v, %v", books, err)
	}
	page, err := toERP.(connector.Lister).List(t.Context(), connector.Listing{Kind: connector.GoodsIssue, Site: "dc-east"})
	if err != nil || len(page.Documents) != 1 || page.Documents[0].Site != "dc-east" || page.Documents[0].Lines[0].Item != "BOLT" {
		t.Errorf("the ERP lists %+v, %v", page, err)
	}
}

// Where a domain is optional a code without an entry is the same on both sides, but not if it means something else on the other one: two items would
// be one. An entry for one way alone says that two may be one.
//
// Shows: S41
func TestACodeThatMeansAnotherThingThereIsRefused(t *testing.T) {
	d := open(t)
	take(t, d, "erp", "domain,ours,theirs,direction\nitem,BOLT,NUT,both\nitem,WASHER,RING,out\n", false)
	erp := &connectortest.Memory{}
	to := xref.Translate(erp, xref.Table{DB: d, Tenant: tenant, System: "erp", Demands: map[xref.Domain]xref.Demand{xref.Item: xref.Optional}})
	var f *connector.Fault
	if _, err := to.Apply(t.Context(), issue("SO1/S1", "NUT")); !errors.As(err, &f) || f.Code != xref.CodeMissing || !strings.Contains(f.Text, "item NUT (which there is BOLT here)") {
		t.Fatalf("our NUT went as the NUT that is our BOLT there: %v", err)
	}
	for item, theirs := range map[string]string{"BOLT": "NUT", "WASHER": "RING", "RING": "RING", "CLAMP": "CLAMP"} {
		if _, err := to.Apply(t.Context(), issue("SO1/"+item, item)); err != nil {
			t.Fatalf("%s: %v", item, err)
		}
		if got := erp.Document(connector.GoodsIssue, "SO1/"+item).GetGoodsIssue().GetLines()[0].GetItem(); got != theirs {
			t.Errorf("our %s went as %s, want %s", item, got, theirs)
		}
	}
	erp.Happen(&docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED, Subject: "SO2", SourceKey: "sale/SO2", Payload: &docklinev1.Event_Order{
		Order: &docklinev1.Order{Number: "SO2", Lines: []*docklinev1.Line{{OrderLine: "1", Item: "BOLT"}}}}})
	changes, err := to.Changes(t.Context(), nil)
	if err != nil || len(changes.Events) != 1 || changes.Events[0].GetKind() != docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED || !strings.Contains(fmt.Sprint(changes.Events[0]), "item BOLT (which there is NUT here)") {
		t.Errorf("its BOLT became %v, %v", changes.Events, err)
	}
}

// A code that must have an entry and has none is refused both ways, by its name, and nothing is sent; once it is entered the same goes through. What
// is optional goes as it is.
//
// Shows: S41
func TestACodeWithoutAnEntryIsRefused(t *testing.T) {
	d := open(t)
	erp := &connectortest.Memory{}
	to := xref.Translate(erp, xref.Table{DB: d, Tenant: tenant, System: "erp", Demands: map[xref.Domain]xref.Demand{xref.Item: xref.Required, xref.Carrier: xref.Optional}})
	p := issue("SO1/S1", "BOLT")
	_, err := to.Apply(t.Context(), p)
	var f *connector.Fault
	if !errors.As(err, &f) || f.Code != xref.CodeMissing || f.Class != docklinev1.FaultClass_FAULT_CLASS_DATA || f.Unknown || !strings.Contains(f.Text, "item BOLT") || !strings.Contains(f.Text, "erp") || f.Remedy == "" {
		t.Fatalf("fault %+v", f)
	}
	erp.Happen(&docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED, Subject: "SO2", SourceKey: "sale/SO2", SourceRevision: "4", Payload: &docklinev1.Event_Order{
		Order: &docklinev1.Order{Number: "SO2", Lines: []*docklinev1.Line{{OrderLine: "1", Item: "4711-08"}, {OrderLine: "2", Item: "4711-09"}}}}})
	changes, err := to.Changes(t.Context(), nil)
	if err != nil || len(changes.Events) != 1 {
		t.Fatalf("%v, %v", changes, err)
	}
	letter := changes.Events[0].GetDeadLetter()
	kept := &docklinev1.Event{}
	if err := proto.Unmarshal(letter.GetRefusedEvent(), kept); err != nil || letter.GetCode() != xref.CodeMissing || !strings.Contains(letter.GetText(), "item 4711-08, item 4711-09") ||
		kept.GetOrder().GetNumber() != "SO2" || changes.Events[0].GetSourceRevision() != "4" {
		t.Errorf("refused as %s, %v", text(changes.Events[0]), err)
	}
	erp.Book("dc-east", "4711-08", "12")
	erp.Book("dc-east", "4711-99", "5")
	take(t, d, "erp", "domain,ours,theirs\nitem,BOLT,4711-08\n", false)
	if _, err := to.Apply(t.Context(), p); err != nil || erp.Document(p.Kind, p.Key).GetGoodsIssue().GetLines()[0].GetItem() != "4711-08" {
		t.Errorf("with the entry: %v", err)
	}
	books, err := to.Snapshot(t.Context(), connector.Scope{})
	if err != nil || len(books) != 2 || len(books[0].GetStockSnapshot().GetLines()) != 1 || books[0].GetStockSnapshot().GetLines()[0].GetItem() != "BOLT" ||
		!strings.Contains(books[1].GetDeadLetter().GetText(), "4711-99") {
		t.Errorf("the book became %v, %v", books, err)
	}
	other := xref.Translate(erp, xref.Table{DB: d, Tenant: "other", System: "erp", Demands: map[xref.Domain]xref.Demand{xref.Item: xref.Required}})
	if _, err := other.Find(t.Context(), p); !errors.As(err, &f) || f.Code != xref.CodeMissing {
		t.Errorf("another tenant's entry was used: %v", err)
	}
}

// master tells and takes items.
type master struct {
	*connectortest.Memory
	items []*docklinev1.MasterRecord
	told  []*docklinev1.MasterRecord
}

func (m *master) MasterKinds() []docklinev1.MasterKind {
	return []docklinev1.MasterKind{docklinev1.MasterKind_MASTER_KIND_ITEM}
}

func (m *master) Master(context.Context, docklinev1.MasterKind, connector.Cursor) (connector.MasterPage, error) {
	return connector.MasterPage{Records: m.items}, nil
}

func (m *master) ToldKinds() []docklinev1.MasterKind { return m.MasterKinds() }

func (m *master) Tell(_ context.Context, _ docklinev1.MasterKind, records []*docklinev1.MasterRecord) ([]connector.RefusedRecord, error) {
	m.told = records
	return []connector.RefusedRecord{{Code: records[0].GetCode(), Reason: "too long"}}, nil
}

// Shows: S41
func TestMasterDataHasTheCodesOfItsReader(t *testing.T) {
	d := open(t)
	take(t, d, "crm", "domain,ours,theirs\nitem,BOLT,4711-08\nunit,each,EA\n", false)
	record := func(code, unit string) *docklinev1.MasterRecord {
		return &docklinev1.MasterRecord{Kind: docklinev1.MasterKind_MASTER_KIND_ITEM, Code: code, Detail: &docklinev1.MasterDetail{Unit: unit}}
	}
	m := &master{Memory: &connectortest.Memory{}, items: []*docklinev1.MasterRecord{record("4711-08", "EA"), record("4711-99", "EA")}}
	c := xref.Translate(m, xref.Table{DB: d, Tenant: tenant, System: "crm", Demands: map[xref.Domain]xref.Demand{xref.Item: xref.Required, xref.Unit: xref.Optional}})
	page, err := c.(connector.MasterSource).Master(t.Context(), docklinev1.MasterKind_MASTER_KIND_ITEM, nil)
	if err != nil || len(page.Records) != 1 || page.Records[0].GetCode() != "BOLT" || page.Records[0].GetDetail().GetUnit() != "each" ||
		len(page.Refused) != 1 || page.Refused[0].Code != "4711-99" || len(page.Refused[0].Raw) == 0 {
		t.Errorf("read as %+v, %v", page, err)
	}
	refused, err := c.(connector.MasterTarget).Tell(t.Context(), docklinev1.MasterKind_MASTER_KIND_ITEM, []*docklinev1.MasterRecord{record("NUT", "each"), record("BOLT", "each")})
	if err != nil || len(m.told) != 1 || m.told[0].GetCode() != "4711-08" || m.told[0].GetDetail().GetUnit() != "EA" {
		t.Errorf("told %v, %v", m.told, err)
	}
	if len(refused) != 2 || refused[0].Code != "NUT" || refused[1].Code != "BOLT" || refused[1].Reason != "too long" {
		t.Errorf("refused %+v", refused)
	}
}

// What people change in the table is in the trail, and a file that is wrong changes nothing.
//
// Shows: S41, S68
func TestTheTableIsKeptByPeople(t *testing.T) {
	d := open(t)
	if c := take(t, d, "erp", "\ufeffDomain,Theirs,Ours\nitem,4711-08,BOLT\nitem,4711-09,NUT\nunit,EA,each\n", false); c != (xref.Change{Added: 3}) {
		t.Errorf("%+v", c)
	}
	if c := take(t, d, "erp", "domain,ours,theirs,direction\nitem,BOLT,4711-10,\nitem,NUT,4711-09,\n", true); c != (xref.Change{Changed: 1, Same: 1}) {
		t.Errorf("%+v", c)
	}
	if c := take(t, d, "erp", "domain,ours,theirs,direction\nitem,BOLT,4711-10,out\n", true); c != (xref.Change{Changed: 1, Removed: 1}) {
		t.Errorf("%+v", c)
	}
	var entries []xref.Entry
	var trail []string
	if err := d.Read(t.Context(), func(tx *db.Tx) (err error) {
		if entries, err = xref.List(t.Context(), tx, tenant, "erp", ""); err != nil {
			return err
		}
		trail, err = tx.Texts(t.Context(), `SELECT person || ' ' || object || ' ' || detail FROM audit WHERE action = 'xref.import' ORDER BY n`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := xref.WriteCSV(&out, entries); err != nil || out.String() != "domain,ours,theirs,direction\nitem,BOLT,4711-10,out\nunit,each,EA,both\n" {
		t.Errorf("%v: %q", err, out.String())
	}
	if len(trail) != 3 || !strings.HasPrefix(trail[1], "ines xref/erp ") || !strings.Contains(trail[1], "item BOLT = 4711-10") || !strings.Contains(trail[1], "item BOLT = 4711-08") {
		t.Errorf("the trail says %q", trail)
	}
	_, err := xref.ReadCSV(strings.NewReader("domain,ours,theirs,direction\nitems,BOLT,1,\nitem,,1,\nitem,A,1,sideways\nitem,A,1,\nitem,A,2,\nitem,B,2,\nitem,C,2,in\n"), "erp")
	for _, want := range []string{"line 2: \"items\" is no domain", "line 3: an entry needs", "line 4: \"sideways\" is no direction", "line 6: our item A is told as 1 and as 2"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("does not say %q: %v", want, err)
		}
	}
	for _, file := range []string{"", "domain,ours\n", "domain,ours,theirs,colour\n"} {
		if _, err := xref.ReadCSV(strings.NewReader(file), "erp"); err == nil {
			t.Errorf("%q was taken", file)
		}
	}
	_, err = xref.ReadCSV(strings.NewReader("domain,ours,theirs,direction\nreason,damaged,DMG,\nreason,damaged,BRK,in\nreason,scrap,DMG,out\n"), "erp")
	if err != nil {
		t.Errorf("two of theirs for one of ours, and two of ours for one of theirs: %v", err)
	}
}

// Two people who import at once leave no code that means two things: one of them comes second, and what he says goes.
func TestTwoImportsAtOnce(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		for round := range 20 {
			system := fmt.Sprintf("erp%d", round)
			begin, ended := make(chan struct{}), make(chan error, 2)
			for _, ours := range []string{"BOLT", "NUT"} {
				go func() {
					<-begin
					ended <- d.Write(t.Context(), func(tx *db.Tx) error {
						_, err := xref.Take(t.Context(), tx, xref.Import{Tenant: tenant, System: system, Entries: []xref.Entry{{System: system, Domain: xref.Item, Ours: ours, Theirs: "4711", Direction: xref.Both}}, By: "ines"}, time.Now())
						return err
					})
				}()
			}
			close(begin)
			for range 2 {
				if err := <-ended; err != nil {
					t.Fatal(err)
				}
			}
			var kept []xref.Entry
			if err := d.Read(t.Context(), func(tx *db.Tx) (err error) {
				kept, err = xref.List(t.Context(), tx, tenant, system, "")
				return err
			}); err != nil || len(kept) != 1 {
				t.Fatalf("round %d: their 4711 is %v, %v", round, kept, err)
			}
		}
	})
}
