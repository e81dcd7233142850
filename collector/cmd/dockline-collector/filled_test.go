package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/master"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/collector/posting"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Who works at the filled centre: admin may everything, and guest only look.
const (
	admin = "ines"
	guest = "vera"
)

// filled is a folder with the configuration and the database of a centre in the middle of a day: a site, orders of which one was shipped with too
// much and one picked short, postings that are planned, exceptions, a dead letter, an event with two contents, users.
func filled(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("collector.yaml", "data_dir: data\npolicy: {folder: ../policy}\nconnectors:\n  - {name: erp, tenant: "+Tenant+", kind: tryton, role: system_of_record, settings: {url: \"http://127.0.0.1:1/erp\", login: dockline, password_file: ../secret}}\n")
	write("secret", "secret\n")
	write("policy/targets.yaml", "targets:\n  - {name: erp, role: system_of_record}\n")
	write("next/targets.yaml", "targets:\n  - {name: erp, role: system_of_record}\n")
	write("next/limits.yaml", "over_ship_tolerance: \"5\"\nover_ship: hold\n")
	write("other/targets.yaml", "targets:\n  - {name: erp, role: system_of_record}\n")
	write("other/limits.yaml", "over_ship_tolerance: \"7\"\nover_ship: hold\n")
	write("items.csv", "code,name\nBOLT,Bolt M8\n")
	write("codes.csv", "domain,ours,theirs\nitem,BOLT,4711-08\n")
	write("order.json", `{"number": "PO-4711", "customer": "C-1001", "lines": [{"item": "BOLT", "quantity": 2}]}`+"\n")
	write("site.yaml", "log: {level: info}\n")
	write("openapi.json", `{"openapi": "3.0.3", "info": {"title": "Shop"}, "paths": {"/orders": {"get": {"operationId": "ListOrders", "responses": {"200": {"content": {"application/json": {"schema": {"type": "array", "items": {"properties": {"id": {"type": "string"}, "reference": {"type": "string"}}}}}}}}}, "post": {"operationId": "CreateOrder", "requestBody": {"content": {"application/json": {"schema": {"properties": {"reference": {"type": "string"}}}}}}}}}}`)
	write("epcis.json", `{"@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"], "type": "EPCISDocument", "schemaVersion": "2.0", "creationDate": "2026-11-24T08:00:00Z", "epcisBody": {"eventList": []}}`)
	config, err := collector.LoadConfig(filepath.Join(dir, "collector.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	centre, err := collector.OpenCentre(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, config, centre)
	if err := centre.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func fill(t *testing.T, config *collector.Config, centre *collector.Centre) {
	t.Helper()
	ctx := t.Context()
	if _, err := (&fleet.Fleet{DB: centre.DB}).AddSite(ctx, fleet.Registration{Tenant: Tenant, ID: Site, Title: "East"}); err != nil {
		t.Fatal(err)
	}
	desk, closeDesk, err := collector.OpenPolicyDesk(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	p, err := desk.Load(ctx, config.Path(config.Policy.Folder))
	if err == nil {
		_, _, err = desk.Propose(ctx, p, admin, "the first one")
	}
	if err == nil {
		_, err = desk.Activate(ctx, p.Version, admin, "the first one")
	}
	if err == nil {
		if p, err = desk.Load(ctx, config.Path("../next")); err == nil {
			_, _, err = desk.Propose(ctx, p, admin, "some more may leave")
		}
	}
	if err := errors.Join(err, closeDesk()); err != nil {
		t.Fatal(err)
	}
	twice := Pick(10, "P1", L("SO1", "1", "BOLT", "5"))
	other := proto.CloneOf(twice)
	other.GetPick().Lines[0].Bin = "B-2"
	events := []*docklinev1.Event{Accepted("SO1", "1", L("", "1", "BOLT", "5")), Accepted("SO2", "1", L("", "1", "NUT", "8")), twice,
		Shipment(20, "S1", L("SO1", "1", "BOLT", "9")), ShortPick(25, "P2", Asked(L("SO2", "1", "NUT", "3"), "8")), Refused(30, "R1", "number_format", "line 2: 4,,5 is no number"), other,
		Accepted("SO3", "1", L("", "1", "BOLT", "2")), Pick(40, "P3", L("SO3", "1", "BOLT", "2")), Shipment(50, "S3", L("SO3", "1", "BOLT", "2"))}
	recorded := make([]eventlog.Recorded, len(events))
	for i, e := range events {
		if recorded[i] = (eventlog.Recorded{Event: e}); e.GetSite() != "" {
			recorded[i].Epoch, recorded[i].EpochOrdinal, recorded[i].Seq = "e1", 1, uint64(i+1)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(centre.DB.Write(ctx, func(tx *db.Tx) error { _, err := centre.Log.Append(ctx, tx, recorded); return err }))
	for more := true; more; {
		n, err := (&eventlog.Sequencer{DB: centre.DB, Holder: "fill"}).Step(ctx)
		must(err)
		folds, err := centre.Fold(ctx)
		must(err)
		more = n > 0 || folds
	}
	must(centre.DB.Write(ctx, func(tx *db.Tx) error {
		nut := &docklinev1.MasterRecord{Code: "NUT", Name: "Nut M8", Detail: &docklinev1.MasterDetail{Unit: "each"}}
		if _, err := (master.Put{Tenant: Tenant, Source: "erp", Kind: docklinev1.MasterKind_MASTER_KIND_ITEM, Records: []*docklinev1.MasterRecord{nut}}).Do(ctx, tx, time.Now()); err != nil {
			return err
		}
		return tx.InsertAll(ctx, db.Insert{Table: "master_source", Columns: []string{"tenant", "source", "kind"}, Rows: [][]any{{Tenant, "erp", int64(1)}}})
	}))
	must(centre.DB.Write(ctx, func(tx *db.Tx) error {
		if err := (people.Change{Tenant: Tenant, By: admin, Now: time.Now()}).Add(ctx, tx, people.User{Name: admin, Teams: []string{"operations"}}); err != nil {
			return err
		}
		if err := (people.Change{Tenant: Tenant, By: admin, Now: time.Now()}).Add(ctx, tx, people.User{Name: guest, Roles: []string{"viewer"}}); err != nil {
			return err
		}
		return posting.Hold(ctx, tx, posting.Say{Tenant: Tenant, By: admin, Reason: "stocktaking"}, "erp", time.Now())
	}))
}

// command gives a command in a folder, as from a shell, and returns what it printed and its exit code.
func command(t *testing.T, dir string, args ...string) (out, said string, code int) {
	t.Helper()
	var texts [2]bytes.Buffer
	keep := [2]*os.File{os.Stdout, os.Stderr}
	var done []chan error
	var writers []*os.File
	for i := range texts {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		read := make(chan error, 1)
		go func() { _, err := io.Copy(&texts[i], r); read <- err }()
		done, writers = append(done, read), append(writers, w)
	}
	os.Stdout, os.Stderr = writers[0], writers[1]
	defer func() { os.Stdout, os.Stderr = keep[0], keep[1] }()
	code = run(append(args, "--config", filepath.Join(dir, "collector.yaml")))
	for i, w := range writers {
		w.Close()
		if err := <-done[i]; err != nil {
			t.Fatal(err)
		}
	}
	return texts[0].String(), texts[1].String(), code
}

// copied is a copy of a folder.
func copied(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// contents is everything that the database in a folder holds.
func contents(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	reading(t, dir, func(tx *db.Tx) error {
		tables, err := textRows(t.Context(), tx, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name`)
		for i := 0; i < len(tables) && err == nil; i++ {
			var rows []string
			rows, err = textRows(t.Context(), tx, `SELECT * FROM `+tables[i])
			fmt.Fprintf(&all, "%s\n%s\n", tables[i], strings.Join(rows, "\n"))
		}
		return err
	})
	return all.String()
}

// rowsOf are the rows that a query finds in a folder's database, as text.
func rowsOf(t *testing.T, dir, query string) (rows []string) {
	t.Helper()
	reading(t, dir, func(tx *db.Tx) (err error) {
		rows, err = textRows(t.Context(), tx, query)
		return err
	})
	return rows
}

func reading(t *testing.T, dir string, f func(*db.Tx) error) {
	t.Helper()
	d, err := db.Open(t.Context(), "sqlite:"+filepath.Join(dir, "data", "collector.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Read(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func textRows(ctx context.Context, tx *db.Tx, query string) (list []string, err error) {
	rows, err := tx.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			return nil, err
		}
		texts := make([]string, len(columns))
		for i := range values {
			texts[i] = fmt.Sprint(*values[i].(*any))
		}
		list = append(list, strings.Join(texts, "|"))
	}
	return list, rows.Err()
}
