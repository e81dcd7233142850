package collector_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/api"
	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// acts does something with order SO1 and folds what follows; what it says, or the error, must have a text.
func (d *deciding) acts(by, action, want string, set ...string) {
	d.Helper()
	a := exception.Acting{By: by, Reason: "asked for", Set: map[string]string{}, Now: time.Now()}
	for _, s := range set {
		name, value, _ := strings.Cut(s, "=")
		a.Set[name] = value
	}
	said, applied := "", false
	err := d.centre.DB.Write(d.Context(), func(tx *db.Tx) (err error) {
		said, applied, err = d.desk.ActOnOrder(d.Context(), tx, Tenant, "SO1", action, a)
		return err
	})
	switch {
	case err != nil:
		said = err.Error()
	case applied == strings.HasPrefix(said, "kept, and not applied"):
		d.Errorf("%s by %s: %q, applied %t", action, by, said, applied)
	}
	if !strings.Contains(said, want) {
		d.Errorf("%s by %s: %q, want %q", action, by, said, want)
	}
	d.settle()
}

func (d *deciding) status() (status string) {
	d.Helper()
	if err := d.centre.DB.Read(d.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(d.Context(), `SELECT status FROM state WHERE fold_key = 'order/SO1'`).Scan(&status)
	}); err != nil {
		d.Fatal(err)
	}
	return status
}

func (d *deciding) sites(ids ...string) {
	d.Helper()
	for _, id := range ids {
		if _, err := (&fleet.Fleet{DB: d.centre.DB}).AddSite(d.Context(), fleet.Registration{Tenant: Tenant, ID: id}); err != nil {
			d.Fatal(err)
		}
	}
}

// Orders are split and moved by the system of record, which is told what people decided; cancellation is asked for; a hold is kept and becomes a case
// of whoever owns it, since by the policy that ships that is not for who works here. Each act needs its scope, can be done only while the order is in
// such a state, and is recorded.
//
// Shows: S16, A15
func TestOrderActs(t *testing.T) {
	d := newDeciding(t, "default: {remainder: none}\n")
	d.sites(Site, "dc-west")
	d.tell(Accepted("SO1", "1", L("", "1", "BOLT", "10"), L("", "2", "NUT", "4")))
	d.acts("otto", "hold", "order.act")
	d.acts("ines", "paint", "hold, move, release_hold")
	d.acts("ines", "release_hold", "it is released")
	d.acts("ines", "hold", "kept, and not applied: by ownership.yaml only the system of record may tell order.held")
	if e := d.open("not_owner"); e == nil || d.status() != "released" || !strings.Contains(e.Text, "kept and not applied") {
		t.Errorf("after a hold that is not ours to set it is %s, with %+v", d.status(), e)
	}
	d.acts("ines", "split", "only 4 of line 2 is open", "lines=2=5")
	d.acts("ines", "split", "like 1=2", "lines=7=1")
	d.acts("ines", "split", "lines is missing")
	d.acts("ines", "split", "line 2 is named twice", "lines=2=2,2=2")
	d.acts("ines", "split", "would leave nothing of it", "lines=1=10,2=4")
	d.acts("ines", "split", "asked to move 3 of line 1, 4 of line 2", "lines=1=3,2=4")
	d.acts("ines", "move", "dc-west", "to=dc-north")
	d.acts("ines", "move", "asked to have site dc-west ship it", "to=dc-west")
	wanted := map[string]string{}
	for key, p := range d.postings("order_amend") {
		a := p.Document.GetOrderAmendment()
		if wanted[a.GetAction()] = a.GetApproval() + " " + a.GetToSite(); !strings.HasPrefix(key, "SO1/decided/") || a.GetAction() == "split" && (len(a.GetLines()) != 2 || a.GetLines()[0].GetQuantity() != "3") {
			t.Errorf("%s: %v", key, a)
		}
	}
	if len(wanted) != 2 || wanted["split"] != "ines " || wanted["move"] != "ines dc-west" {
		t.Errorf("the system of record is told %v", wanted)
	}
	d.acts("ines", "request_cancel", "asked for", "requester=customer", "lines=2=4")
	if e := d.open("cancel_requested"); e == nil || !strings.Contains(e.Text, "customer") {
		t.Errorf("what was asked back is %+v", e)
	}
	if err := d.centre.DB.Read(t.Context(), func(tx *db.Tx) error {
		list, err := audit.List(t.Context(), tx, Tenant, audit.Filter{})
		var acts []string
		for _, e := range list {
			if e.Object == "order/SO1" {
				acts = append(acts, e.Action)
			}
		}
		if got := strings.Join(acts, " "); err == nil && len(acts) != 4 {
			t.Errorf("recorded: %s", got)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	d.tell(CancelledOrder("SO1", "9"))
	for key, p := range d.postings("order_amend") {
		if p.State != posting.Superseded {
			t.Errorf("of an order that has ended the system of record is still to be told %s: %s", key, p.State)
		}
	}
	d.acts("ines", "hold", "cannot be done now: it is cancelled")
}

// All that an order had may go to others in the system of record. A site that was told of it must leave it then, as where it was cancelled: a release of
// nothing is no work, and what it had been told before it would still ship.
func TestAnOrderOfWhichNothingIsLeftIsTakenFromItsSite(t *testing.T) {
	d := newDeciding(t, "default: {remainder: none}\n")
	d.sites(Site)
	d.tell(Accepted("SO1", "1", L("", "1", "BOLT", "10"), L("", "2", "NUT", "4")))
	d.tell(Accepted("SO1", "2", L("", "1", "BOLT", "0"), L("", "2", "NUT", "0")))
	var body []byte
	if err := d.centre.DB.Read(t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT body FROM command WHERE tenant = ? AND command_key = ? ORDER BY version DESC LIMIT 1`, Tenant, state.CommandKey("SO1")).Scan(&body)
	}); err != nil {
		t.Fatal(err)
	}
	c := &docklinev1.Command{}
	if err := proto.Unmarshal(body, c); err != nil || c.GetCancelOrder().GetReason() != "nothing of it is ordered any more" {
		t.Errorf("the site is told %v, %v", c, err)
	}
}

// Where the policy lets who works here hold orders, a hold counts at once: sites are told nothing more of it until it is released. What no system of
// record takes is a case that says what to do by hand.
//
// Shows: S16, A15
func TestHoldsOfOurOwn(t *testing.T) {
	d := newDeciding(t, "default: {remainder: none}\n", [2]string{"policy/routing.yaml", "routes: []\n"},
		[2]string{"policy/ownership.yaml", "ownership:\n  - kinds: [order.released]\n    owners: [dockline]\n  - kinds: [order.held, order.hold_released]\n    owners: [system_of_record, api]\n  - kinds: [order.*]\n    owners: [system_of_record]\n  - fields: [order.*]\n    owners: [system_of_record]\n"})
	d.sites(Site, "dc-west")
	d.tell(Accepted("SO1", "1", L("", "1", "BOLT", "10")))
	d.acts("ines", "hold", "held (credit)", "code=credit", "until=2026-12-01T08:00:00Z")
	if d.status() != state.Held || d.open("not_owner") != nil {
		t.Errorf("it is %s, with %+v", d.status(), d.open("not_owner"))
	}
	d.acts("ines", "hold", "it is held")
	d.acts("ines", "release_hold", "one of credit", "code=address")
	d.acts("ines", "release_hold", "the hold credit is released")
	if d.status() != state.Released {
		t.Errorf("after the release it is %s", d.status())
	}
	d.acts("ines", "move", "asked", "to=dc-west")
	if e := d.open("order_change_not_posted"); e == nil || !strings.Contains(e.Text, "site dc-west is to ship it") {
		t.Fatalf("nobody is told to move it by hand: %+v", e)
	}
	moved := Accepted("SO1", "2", L("", "1", "BOLT", "10"))
	moved.GetOrder().Site = "dc-west"
	d.tell(moved)
	if e := d.open("order_change_not_posted"); e != nil {
		t.Errorf("it was moved, and the case stays: %+v", e)
	}
}

// What people do about exceptions and orders goes through the API too, with the same scopes and the same trail, and once for each key.
//
// Shows: S32, S65, S68, A15
func TestActsThroughTheAPI(t *testing.T) {
	d := newDeciding(t, "default: {remainder: none}\n")
	d.sites(Site, "dc-west")
	d.tell(Accepted("SO1", "1", L("", "1", "BOLT", "10")))
	d.acts("ines", "hold", "kept")
	held := d.open("not_owner").Number
	number := fmt.Sprint(held)
	h := api.New(api.Config{DB: d.centre.DB, Desk: func() api.Desk { return d.desk }, Submissions: collector.NewIntake(d.centre.Log, nil, nil)})
	ask := func(method, path, key, body string, status int, texts ...string) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), method, "/api/v1/"+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(api.KeyHeader, key)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		for _, text := range texts {
			if w.Code != status || !strings.Contains(w.Body.String(), text) {
				t.Errorf("%s %s %s: %d %s, want %d %s", method, path, body, w.Code, w.Body, status, text)
			}
		}
	}
	note := `{"by":"otto","text":"the customer calls back"}`
	for range 3 {
		ask(http.MethodPost, "exceptions/"+number+"/notes", "n1", note, 200, `"said":"noted"`)
	}
	ask(http.MethodPost, "exceptions/"+number+"/notes", "n2", `{"by":"otto"}`, 422, `"field":"text"`)
	ask(http.MethodPost, "exceptions/"+number+"/notes", "n2", `{"by":"nobody","text":"x"}`, 403, "exception.act")
	ask(http.MethodPost, "exceptions/999/notes", "n2", note, 404, "999")
	ask(http.MethodPost, "exceptions/"+number+"/notes", "", note, 400, "Idempotency-Key")
	ask(http.MethodPost, "exceptions/"+number+"/assignee", "a1", `{"by":"ines","person":"otto","reason":"his customer"}`, 200, `"assignee":"otto"`)
	ask(http.MethodPost, "exceptions/"+number+"/assignee", "a2", `{"by":"ines","person":"otto"}`, 422, "say why")
	ask(http.MethodPost, "exceptions/"+number+"/actions/acknowledge", "k1", `{"by":"otto","reason":"seen"}`, 200, `"state":"acknowledged"`)
	ask(http.MethodPost, "exceptions/"+number+"/actions/acknowledge", "k2", `{"by":"otto","reason":"seen"}`, 409, "acknowledged")
	ask(http.MethodPost, "exceptions/"+number+"/actions/paint", "k3", `{"by":"otto","reason":"seen"}`, 422, "no such action")
	ask(http.MethodGet, "exceptions/"+number, "", "", 200, "the customer calls back", `"code":"not_owner"`, `"name":"snooze"`)
	ask(http.MethodGet, "orders/SO1/actions", "", "", 200, `"name":"move"`, `"choices":["dc-west"]`, "dockline-collector order move SO1")
	ask(http.MethodPost, "orders/SO1/actions/move", "m1", `{"by":"otto","reason":"full","set":{"to":"dc-west"}}`, 403, "order.act")
	for range 3 {
		ask(http.MethodPost, "orders/SO1/actions/move", "m1", `{"by":"ines","reason":"full","set":{"to":"dc-west"}}`, 200, "asked to have site dc-west ship it")
	}
	ask(http.MethodPost, "orders/SO1/actions/move", "m2", `{"by":"ines","reason":"full","set":{"to":"dc-south"}}`, 422, "dc-west")
	ask(http.MethodPost, "orders/SO9/actions/move", "m3", `{"by":"ines","reason":"full","set":{"to":"dc-west"}}`, 404, "SO9")
	ask(http.MethodPut, "orders/SO1/actions/move", "m4", "{}", 405, "POST")
	d.settle()
	if n := len(d.postings("order_amend")); n != 1 {
		t.Errorf("one move was told as %d amendments", n)
	}
	if err := d.centre.DB.Read(t.Context(), func(tx *db.Tx) error {
		notes, err := exception.Notes(t.Context(), tx, Tenant, held)
		said := 0
		for _, n := range notes {
			if n.Kind == exception.NoteComment {
				said++
			}
		}
		if said != 1 {
			t.Errorf("one comment stands there %d times", said)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
