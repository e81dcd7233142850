package wmshttp_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv"
)

// listening is a configuration with one stream of picks and one of scans that have no key of their own.
const listening = `zone: UTC
listen:
  address: 127.0.0.1:0
  %s
  streams:
    - {name: picks, records: "picks[]", kind: pick.confirmed, key: id, columns: {id: task, order.number: order, order.line: order_line, sku: item, qty: quantity, at: occurred_at, ../batch: custom.batch}}
    - {name: strict, faulty: refuse, kind: pick.confirmed, key: id, columns: {id: task, order: order, sku: item, qty: quantity, at: occurred_at}}
    - {name: scans, kind: pick.confirmed, key: ["@idempotency_key", "@index"], columns: {order: order, sku: item, qty: quantity, "@received_at": occurred_at}}
`

const onePick = `{"batch":"B7","picks":[{"id":1,"order":{"number":"SO1","line":"2"},"sku":"A","qty":2.50,"at":"2026-07-04T08:00:00Z"}]}`

type outcome struct {
	Events, Kept int
	Errors       []struct {
		Index               int
		Code, Field, Detail string
	}
}

// What is sent is mapped, kept, and only then answered; what cannot be read is kept with its reason or, where the stream is strict, refused whole.
//
// Shows: S35
func TestRecordsAreTakenByPost(t *testing.T) {
	h := newHost()
	r := run(t, h, t.TempDir(), fmt.Sprintf(listening, ""), true)
	var out outcome
	g := r.send("POST", "/events/picks", text(onePick), "Content-Type", "application/json")
	if g.into(t, &out); g.status != 200 || out.Events != 1 || out.Kept != 0 {
		t.Fatalf("%d %s", g.status, g.body)
	}
	e := h.all()[0]
	l := e.GetPick().GetLines()[0]
	if e.GetSourceKey() != "picks/1" || l.GetOrder() != "SO1" || l.GetOrderLine() != "2" || l.GetItem() != "A" || l.GetQuantity().GetValue() != "2.5" || e.GetCustom()[0].GetValue() != "B7" {
		t.Errorf("understood as %v", e)
	}
	// The same again is the same event.
	r.send("POST", "/events/picks", text(onePick), "Content-Type", "application/json")
	if all := h.all(); all[0].GetId() != all[1].GetId() || !bytes.Equal(event.BodyHash(all[0]), event.BodyHash(all[1])) {
		t.Errorf("sent again it is %v", all[1])
	}
	// A bad one among good ones.
	g = r.send("POST", "/events/picks", text(`{"picks":[{"id":2,"order":{"number":"SO1"},"sku":null,"qty":"1","at":"2026-07-04T08:00:00Z"},{"id":3,"order":{"number":"SO1"},"sku":"B","qty":1,"at":"2026-07-04T08:00:00Z"}]}`))
	if g.into(t, &out); g.status != 200 || out.Events != 1 || out.Kept != 1 || len(out.Errors) != 1 || out.Errors[0].Index != 0 || out.Errors[0].Field == "" {
		t.Errorf("%d %s", g.status, g.body)
	}
	if letter := h.all()[2].GetDeadLetter(); letter == nil || !strings.Contains(letter.GetText(), "sku") || !strings.Contains(string(letter.GetRaw()), `"id":2`) {
		t.Errorf("kept as %v", h.all()[2])
	}
	before := len(h.all())
	g = r.send("POST", "/events/strict", text(`[{"id":1,"order":"SO1","sku":"A","qty":1,"at":"2026-07-04T08:00:00Z"},{"id":2,"order":"SO1","sku":"A","qty":"many","at":"2026-07-04T08:00:00Z"}]`))
	if g.into(t, &out); g.status != 422 || len(out.Errors) != 1 || out.Errors[0].Index != 1 || len(h.all()) != before {
		t.Errorf("%d %s", g.status, g.body)
	}
	for what, send := range map[string]struct {
		path, body, kind string
		status           int
		says             string
	}{
		"garbage":            {"/events/picks", "\x00\x01not json", "application/json", 400, "invalid character"},
		"broken off":         {"/events/picks", onePick[:40], "application/json", 400, "breaks off after 40 bytes"},
		"no list":            {"/events/picks", `{"items":[]}`, "application/json", 422, ""},
		"not JSON":           {"/events/picks", "<x/>", "application/xml", 415, "application/json"},
		"another path":       {"/events/other", "{}", "application/json", 404, "/events/picks"},
		"without its key":    {"/events/scans", `{"order":"SO1","sku":"A","qty":1}`, "application/json", 400, ""},
		"nothing at all":     {"/events/picks", "", "application/json", 400, "nothing in it"},
		"windows-1252":       {"/events/picks", strings.Replace(onePick, `"sku":"`, "\"sku\":\"\xe9", 1), "application/json", 400, "0xe9, which is no UTF-8"},
		"UTF-16":             {"/events/picks", "\xff\xfe{\x00}\x00", "application/json", 400, "written in UTF-16"},
		"deep in each other": {"/events/picks", strings.Repeat("[", 1<<20), "application/json", 400, ""},
	} {
		if g := r.send("POST", send.path, text(send.body), "Content-Type", send.kind); g.status != send.status || !strings.Contains(string(g.body), send.says) {
			t.Errorf("%s: %d %s, want %d and %q", what, g.status, g.body, send.status, send.says)
		}
	}
	if len(h.all()) != before {
		t.Errorf("%d events of what was refused", len(h.all())-before)
	}
	// Some programs write a byte order mark before UTF-8.
	if g := r.send("POST", "/events/picks", text("\uFEFF"+onePick)); g.status != 200 {
		t.Errorf("with a byte order mark: %d %s", g.status, g.body)
	}
}

// One Idempotency-Key is one request, over restarts too: the same again is answered as before and tells nothing new, another body under it is refused.
func TestAKeyIsOneRequest(t *testing.T) {
	h, dir := newHost(), t.TempDir()
	r := run(t, h, dir, fmt.Sprintf(listening, ""), true)
	const scan = `{"order":"SO1","sku":"A","qty":1}`
	first := r.send("POST", "/events/scans", text(scan), "Idempotency-Key", "k1")
	if first.status != 200 || first.header.Get("Idempotency-Replayed") != "" {
		t.Fatalf("%d %s", first.status, first.body)
	}
	again := func(when string) {
		t.Helper()
		g := r.send("POST", "/events/scans", text(scan), "Idempotency-Key", "k1")
		if g.status != 200 || !bytes.Equal(g.body, first.body) || g.header.Get("Idempotency-Replayed") != "true" || len(h.all()) != 1 {
			t.Errorf("%s: %d %s, %d events", when, g.status, g.body, len(h.all()))
		}
		if g := r.send("POST", "/events/scans", text(`{"order":"SO2","sku":"A","qty":1}`), "Idempotency-Key", "k1"); g.status != 422 || len(h.all()) != 1 {
			t.Errorf("%s, with another body: %d %s", when, g.status, g.body)
		}
	}
	again("sent again")
	r.stop()
	r = run(t, h, dir, fmt.Sprintf(listening, ""), true)
	again("after a restart")
	if g := r.send("POST", "/events/scans", text(scan), "Idempotency-Key", "k2"); g.status != 200 || len(h.all()) != 2 {
		t.Errorf("another key: %d %s", g.status, g.body)
	}
}

// Who says that he brings something and never does, to a door that does not even know him or to a path that is none, holds no place for ever.
func TestABodyThatNobodyReadsHoldsNoPlace(t *testing.T) {
	h := newHost()
	t.Setenv("PARTNER_TOKEN", "fedcba9876543210fedc")
	r := run(t, h, t.TempDir(), fmt.Sprintf(listening, "tokens: [{name: partner, env: PARTNER_TOKEN}]\n  header_timeout: 1s\n  body_patience: 1s\n  max_connections: 4"), true)
	for _, head := range []string{"POST /events/picks HTTP/1.1\r\n", "POST /nowhere HTTP/1.1\r\nAuthorization: Bearer fedcba9876543210fedc\r\n", "GET /events/picks HTTP/1.1\r\n"} {
		for range 4 {
			conn, err := net.Dial("tcp", r.address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Write([]byte(head + "Host: x\r\nContent-Length: 1000\r\n\r\n")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if g := r.send("POST", "/events/picks", text(onePick), "Authorization", "Bearer fedcba9876543210fedc"); g.status != 200 {
		t.Errorf("behind them: %d %s", g.status, g.body)
	}
}

// Two senders that count their requests from 1 tell two events, though they say the same.
func TestAKeyIsItsSenders(t *testing.T) {
	h := newHost()
	t.Setenv("ONE_TOKEN", "fedcba9876543210fedc")
	t.Setenv("OTHER_TOKEN", "0123456789abcdef0123")
	r := run(t, h, t.TempDir(), fmt.Sprintf(listening, "tokens: [{name: one, env: ONE_TOKEN}, {name: other, env: OTHER_TOKEN}]"), true)
	for range 2 {
		for _, token := range []string{"fedcba9876543210fedc", "0123456789abcdef0123"} {
			if g := r.send("POST", "/events/scans", text(`{"order":"SO1","sku":"A","qty":1}`), "Idempotency-Key", "1", "Authorization", "Bearer "+token); g.status != 200 {
				t.Errorf("%d %s", g.status, g.body)
			}
		}
	}
	all := h.all()
	if len(all) != 2 || all[0].GetSourceKey() == all[1].GetSourceKey() {
		t.Errorf("%d events: %v", len(all), all)
	}
}

// While the journal takes nothing, nobody is told that something was taken: 503 and when to come again. What had been given to it meanwhile comes again
// as the same events.
//
// Shows: S35
func TestNobodyIsAnsweredBeforeTheJournalHasIt(t *testing.T) {
	h := newHost()
	r := run(t, h, t.TempDir(), fmt.Sprintf(listening, "answer_within: 2s"), true)
	h.mu.Lock()
	h.full = true
	h.mu.Unlock()
	for range 2 { // the second one finds the first still waiting
		g := r.send("POST", "/events/scans", text(`{"order":"SO1","sku":"A","qty":1}`), "Idempotency-Key", "k1")
		if g.status != 503 || g.header.Get("Retry-After") == "" || !strings.Contains(string(g.body), "journal") {
			t.Fatalf("%d %s", g.status, g.body)
		}
	}
	h.until(t, "shown that the journal is full", func() bool { return h.has("http_full") })
	h.mu.Lock()
	h.full = false
	waiting := h.waiting
	h.mu.Unlock()
	for _, ack := range waiting {
		h.onAck(ack)
	}
	g := r.send("POST", "/events/scans", text(`{"order":"SO1","sku":"A","qty":1}`), "Idempotency-Key", "k1")
	if g.status != 200 || len(h.all()) != 1 {
		t.Errorf("%d %s, %d events", g.status, g.body, len(h.all()))
	}
}

// Only who has one of the tokens is let in; a token file that is exchanged holds at once.
func TestWhoIsUnknownIsNotLetIn(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	if err := os.WriteFile(file, []byte("0123456789abcdef0123\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PARTNER_TOKEN", "fedcba9876543210fedc")
	h := newHost()
	r := run(t, h, t.TempDir(), fmt.Sprintf(listening, fmt.Sprintf("tokens: [{name: wms, file: %q}, {name: partner, env: PARTNER_TOKEN}]", filepath.ToSlash(file))), true)
	send := func(headers ...string) int { return r.send("POST", "/events/picks", text(onePick), headers...).status }
	for token, want := range map[string]int{"": 401, "Bearer wrong": 401, "Bearer 0123456789abcdef0123": 200, "bearer fedcba9876543210fedc": 200, "Bearer 0123456789abcdef012": 401} {
		if got := send("Authorization", token); got != want {
			t.Errorf("%q: %d, want %d", token, got, want)
		}
	}
	if got := send("X-Api-Key", "fedcba9876543210fedc"); got != 200 {
		t.Errorf("as an API key: %d", got)
	}
	if got := r.send("GET", "/nowhere", nil).status; got != 401 {
		t.Errorf("a path that is none says %d to a stranger", got)
	}
	h.until(t, "shown that strangers came", func() bool { return h.has("http_strangers") })
	if err := os.WriteFile(file, []byte("a-new-token-of-the-wms"), 0o600); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 3*time.Minute, "the new token known", func() bool { return send("Authorization", "Bearer a-new-token-of-the-wms") == 200 })
	if got := send("Authorization", "Bearer 0123456789abcdef0123"); got != 401 {
		t.Errorf("the former token: %d", got)
	}
}

// Jobs are listed, the newest first and in pages, and are there after a restart.
func TestCaptureJobsAreListed(t *testing.T) {
	h, dir := newHost(), t.TempDir()
	r := run(t, h, dir, epcisConfig, true)
	var ids []string
	for i := range 5 {
		j, g := r.capture([]byte(strings.Replace(partnersDocument, "urn:uuid:1", fmt.Sprintf("urn:uuid:%d", i), 1)), "rollback")
		if j == nil {
			t.Fatalf("%d %s", g.status, g.body)
		}
		ids = append([]string{j.ID}, ids...)
	}
	r.stop()
	r = run(t, h, dir, epcisConfig, true)
	var seen []string
	for next := "/capture?perPage=2"; next != ""; {
		g := r.send("GET", next, nil)
		var page []job
		g.into(t, &page)
		for _, j := range page {
			seen = append(seen, j.ID)
		}
		next = ""
		if link := g.header.Get("Link"); link != "" {
			next = strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
		}
	}
	if fmt.Sprint(seen) != fmt.Sprint(ids) {
		t.Errorf("listed %v, want %v", seen, ids)
	}
	if g := r.send("GET", "/capture/none", nil); g.status != 404 {
		t.Errorf("%d %s", g.status, g.body)
	}
	if g := r.send("OPTIONS", "/capture", nil); g.status != 204 || !strings.Contains(g.header.Get("Allow"), "POST") || g.header.Get("GS1-EPCIS-Version") == "" {
		t.Errorf("%d %v", g.status, g.header)
	}
	if g := r.send("POST", "/capture", text(partnersDocument), "Content-Type", "text/plain"); g.status != 415 {
		t.Errorf("%d %s", g.status, g.body)
	}
	one := r.send("POST", "/capture", text(partnersDocument), "Content-Type", jsonld, "Idempotency-Key", "d1")
	two := r.send("POST", "/capture", text(partnersDocument), "Content-Type", jsonld, "Idempotency-Key", "d1")
	if one.status != 202 || two.status != 202 || one.header.Get("Location") != two.header.Get("Location") {
		t.Errorf("%v and %v", one.header, two.header)
	}
}

// partnersDocument tells of goods that came in, and of one event that Dockline has no word for.
const partnersDocument = `{"@context":["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],"type":"EPCISDocument","schemaVersion":"2.0","creationDate":"2026-11-02T09:00:00Z",
	"epcisBody":{"eventList":[
	{"type":"ObjectEvent","eventTime":"2026-11-02T08:00:00+01:00","eventTimeZoneOffset":"+01:00","epcList":["urn:epc:id:sscc:4012345.0000000333"],
	 "quantityList":[{"epcClass":"urn:epc:class:lgtin:4012345.012345.998877","quantity":200,"uom":"KGM"}],"action":"OBSERVE","bizStep":"receiving","disposition":"in_progress",
	 "readPoint":{"id":"urn:epc:id:sgln:0614141.07346.0"},"bizTransactionList":[{"type":"po","bizTransaction":"urn:epcglobal:cbv:bt:4012345000009:PO-7"}]},
	{"type":"ObjectEvent","eventID":"urn:uuid:1","eventTime":"2026-11-02T08:00:00+01:00","eventTimeZoneOffset":"+01:00","epcList":["urn:epc:id:sscc:4012345.0000000333"],"action":"OBSERVE","bizStep":"encoding"},
	{"type":"ObjectEvent","eventID":"urn:uuid:2","eventTime":"2026-11-02T09:00:00+01:00","eventTimeZoneOffset":"+01:00","epcList":["urn:epc:id:sscc:4012345.0000000333"],"action":"OBSERVE","bizStep":"stock_taking"}]}}`

// A partner's document: what is understood is told under the id that the centre's import gives it, the rest is kept and says why. A second time nothing
// is new. With a flaw in it nothing of it is told, unless its sender asks to proceed; what is at fault is shown to a person either way. Shows: A13
func TestAPartnersDocument(t *testing.T) {
	h := newHost()
	r := run(t, h, t.TempDir(), epcisConfig, true)
	j, g := r.capture([]byte(partnersDocument), "rollback")
	if j == nil || !j.Success || j.Captured != 1 || j.Kept != 2 {
		t.Fatalf("%+v %s", j, g.body)
	}
	want, _ := imported(t, []byte(partnersDocument))
	for _, e := range h.all() {
		if e.GetDeadLetter() == nil && (e.GetKind() != docklinev1.EventKind_EVENT_KIND_RECEIPT_RECEIVED || want[e.GetId()] == nil) {
			t.Errorf("told as %v", e)
		}
		if letter := e.GetDeadLetter(); letter != nil && !strings.HasPrefix(letter.GetText(), "epcisBody.eventList[") {
			t.Errorf("kept as %v", letter)
		}
	}
	faulty := strings.Replace(partnersDocument, `"bizStep":"encoding"`, `"bizStep":"juggling"`, 1)
	before := len(h.all())
	if j, _ = r.capture([]byte(faulty), "rollback"); j == nil || j.Success || j.Captured != 0 || len(j.Errors) != 1 || j.Errors[0].Instance != "epcisBody.eventList[1]" || !strings.Contains(j.Errors[0].Detail, "juggling") {
		t.Errorf("%+v", j)
	}
	if more := h.all()[before:]; len(more) != 1 || !strings.Contains(more[0].GetDeadLetter().GetText(), "nothing of the document was taken") {
		t.Errorf("rolled back, and told %v", more)
	}
	before = len(h.all())
	if j, _ = r.capture([]byte(faulty), "proceed"); j == nil || j.Success || j.Captured != 1 || j.Kept != 2 || len(h.all()) != before+3 {
		t.Errorf("%+v", j)
	}
}
