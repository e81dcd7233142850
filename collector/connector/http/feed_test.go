package http_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	nethttp "net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	connectorhttp "github.com/dockline/dockline/collector/connector/http"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// shelf has so many documents and shows them page by page, in whatever style it is asked in.
func shelf(t *testing.T, keys []string, size int) *httptest.Server {
	var web *httptest.Server
	web = httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		from, query := 0, r.URL.Query()
		switch {
		case query.Get("page") != "":
			n, _ := strconv.Atoi(query.Get("page"))
			from = (n - 1) * size
		case query.Get("offset") != "":
			from, _ = strconv.Atoi(query.Get("offset"))
		case query.Get("cursor") != "":
			from, _ = strconv.Atoi(query.Get("cursor"))
		case query.Get("stuck") != "":
			from = 0
		}
		from = min(from, len(keys))
		to := min(from+size, len(keys))
		items := []any{}
		for _, key := range keys[from:to] {
			items = append(items, map[string]any{"key": key, "number": "N-" + key})
		}
		body := map[string]any{"items": items}
		if to < len(keys) {
			body["next"] = strconv.Itoa(to)
			w.Header().Set("Link", fmt.Sprintf(`<%s/items?cursor=0>; rel="first", <%s/items?cursor=%d>; title="a, b"; rel="next last"`, web.URL, web.URL, to))
			if query.Get("circle") != "" || strings.HasPrefix(query.Get("cursor"), "x") {
				body["next"] = map[string]string{"": "x1", "x1": "x2", "x2": "x1"}[query.Get("cursor")]
			}
			if query.Get("away") != "" {
				w.Header().Set("Link", `<http://elsewhere.example/items?cursor=1>; rel="next"`)
			}
		}
		reply(w, 200, body)
	}))
	t.Cleanup(web.Close)
	return web
}

// A document that stands on the last of many pages is found, whatever the style of the pages; a system that leads in a circle, has no end, or
// leads elsewhere is a fault with its remedy.
//
// Shows: S1
func TestFindReadsEveryPage(t *testing.T) {
	keys := make([]string, 25)
	for i := range keys {
		keys[i] = fmt.Sprint("K", i)
	}
	web := shelf(t, keys, 10)
	even := shelf(t, keys[:20], 10)
	for name, tc := range map[string]struct{ find, code string }{
		"number":  {find: `query: '{"page": page}', pages: {style: number, size: 10}`},
		"offset":  {find: `query: '{"offset": page}', pages: {style: offset, size: 10}`},
		"cursor":  {find: `query: 'page == "" ? {} : {"cursor": page}', pages: {style: next, next: 'has(body.next) ? body.next : ""'}`},
		"link":    {find: `path: 'page == "" ? "/items" : page', pages: {style: next, next: 'link(headers, "next")'}`},
		"circle":  {find: `query: 'page == "" ? {"circle": "1"} : {"cursor": page}', pages: {style: next, next: 'has(body.next) ? body.next : ""'}`, code: "pages_in_a_circle"},
		"deaf":    {find: `query: '{"stuck": page}', pages: {style: number, size: 10}`, code: "pages_in_a_circle"},
		"endless": {find: `query: '{"page": page}', pages: {style: number, size: 10, most: 2}`, code: "too_many_pages"},
		"away":    {find: `path: 'page == "" ? "/items?away=1" : page', pages: {style: next, next: 'link(headers, "next")'}`, code: "bad_link"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(tc.find, "path:") {
				tc.find = `path: '"/items"', ` + tc.find
			}
			text := strings.Replace(issuesOnly, `path: '"/items"', items:`, tc.find+", items:", 1)
			found, err := described(t, connectorhttp.Config{URL: web.URL}, text).Find(t.Context(), someIssue("K24"))
			if tc.code != "" {
				if f := fault(t, err); f.Code != tc.code || f.Remedy == "" || f.Unknown {
					t.Errorf("%+v", f)
				}
				return
			}
			if err != nil || len(found) != 1 || found[0].Document.GetNumber() != "N-K24" {
				t.Errorf("found %v, %v", found, err)
			}
			// The last page is full: nothing is after it.
			found, err = described(t, connectorhttp.Config{URL: even.URL}, text).Find(t.Context(), someIssue("K99"))
			if err != nil || len(found) != 0 {
				t.Errorf("found %v, %v", found, err)
			}
		})
	}
}

// A feed whose answers lead back to one that was read already is a fault with its remedy, for changes and for master data; read again from the beginning, or from
// where it stands, it is walked once more, and never for ever.
//
// Shows: S1
func TestAFeedInACircle(t *testing.T) {
	web := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		at, _ := strconv.Atoi(r.URL.Query().Get("since"))
		next := map[int]int{0: 1, 1: 2, 2: 3, 3: 1}[at]
		reply(w, 200, map[string]any{"items": []any{map[string]any{"code": fmt.Sprint("A", at)}}, "next": strconv.Itoa(next), "more": true})
	}))
	t.Cleanup(web.Close)
	const feed = `path: '"/feed"', query: '{"since": cursor}', items: body.items, next: body.next, more: body.more`
	c := described(t, connectorhttp.Config{URL: web.URL}, issuesOnly+`
changes: {`+feed+`, occurred_at: 'timestamp("2026-11-01T00:00:00Z")', events: [{when: 'false', kind: order.cancelled, subject: item.code, key: item.code, revision: '"1"', payload: 'OrderCancelled{number: item.code}'}]}
master:
  customer: {`+feed+`, code: item.code, record: 'MasterRecord{code: item.code}'}
`)
	for name, read := range map[string]func(connector.Cursor) (connector.Cursor, bool, error){
		"changes": func(since connector.Cursor) (connector.Cursor, bool, error) {
			page, err := c.Changes(t.Context(), since)
			return page.Cursor, page.More, err
		},
		"master": func(since connector.Cursor) (connector.Cursor, bool, error) {
			page, err := c.Master(t.Context(), docklinev1.MasterKind_MASTER_KIND_CUSTOMER, since)
			return page.Cursor, page.More, err
		},
	} {
		var since connector.Cursor
		for _, answers := range []int{3, 2} { // from the beginning 1, 2 and 3; then, from 3, what is 1 and 2
			n := 0
			for {
				next, more, err := read(since)
				if err != nil {
					if f := fault(t, err); f.Code != "pages_in_a_circle" || f.Remedy == "" || f.Unknown {
						t.Errorf("%s: %+v", name, f)
					}
					break
				}
				if n++; n > 10 || !more {
					t.Fatalf("%s: after %d answers there is still no fault", name, n)
				}
				since = next
			}
			if n != answers {
				t.Errorf("%s: %d answers before the circle was seen, want %d", name, n, answers)
			}
		}
	}
}

// ticks is a system that tells what changed since a time. Its clock shows seconds, and a record may become visible after later ones.
type ticks struct {
	records []tick
	size    int
	// deaf: it does not heed after.
	deaf bool
}

type tick struct {
	id      int
	at      time.Time
	visible time.Time
}

func (s *ticks) open(t *testing.T, now *time.Time) *httptest.Server {
	web := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		since, err := time.Parse(time.RFC3339, r.URL.Query().Get("since"))
		if err != nil {
			reply(w, 400, map[string]any{"message": err.Error()})
			return
		}
		after, _ := strconv.Atoi(r.URL.Query().Get("after"))
		if s.deaf {
			after = 0
		}
		var shown []tick
		for _, one := range s.records {
			if !one.visible.After(*now) && (one.at.After(since) || one.at.Equal(since) && one.id > after) {
				shown = append(shown, one)
			}
		}
		slices.SortFunc(shown, func(a, b tick) int {
			if c := a.at.Compare(b.at); c != 0 {
				return c
			}
			return a.id - b.id
		})
		items := []any{}
		for _, one := range shown[:min(s.size, len(shown))] {
			items = append(items, map[string]any{"id": one.id, "updated_at": one.at.UTC().Format(time.RFC3339)})
		}
		reply(w, 200, map[string]any{"orders": items})
	}))
	t.Cleanup(web.Close)
	return web
}

const ticksOnly = `
system: ticks
probe: {path: '"/"'}
changes:
  path: '"/changes"'
  query: '{"since": string(since), "after": after}'
  items: body.orders
  clock: {changed: 'timestamp(item.updated_at)', id: 'string(item.id)', overlap: 30s, size: 5}
  occurred_at: 'timestamp(item.updated_at)'
  events:
    - {when: 'true', kind: order.accepted, subject: '"SO" + string(item.id)', key: '"order/" + string(item.id)', revision: item.updated_at,
       payload: 'Order{number: "SO" + string(item.id), site: "dc-east", lines: [Line{order_line: "1", item: "BOLT", quantity: Quantity{value: "1"}}]}'}
`

// From a feed whose clock is coarse every change is told once: many that bear one second, those that become visible late, those that change
// again, one that bears a time to come, and after a clock that goes ahead. Forty seeded histories.
//
// Shows: S1
func TestFeedByACoarseClock(t *testing.T) {
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 8))
		now := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
		s := &ticks{size: 5}
		c := described(t, connectorhttp.Config{URL: s.open(t, &now).URL, Now: func() time.Time { return now }}, ticksOnly)
		var cursor connector.Cursor
		told, ids := map[string]int{}, 0
		for range 25 {
			for range random.IntN(14) {
				ids++
				at := now.Add(-time.Duration(random.IntN(25)) * time.Second).Truncate(time.Second)
				s.records = append(s.records, tick{id: ids, at: at, visible: now})
			}
			if len(s.records) > 0 && random.IntN(3) == 0 { // one changes again
				s.records[random.IntN(len(s.records))].at = now.Truncate(time.Second)
			}
			if random.IntN(20) == 0 { // somebody typed the wrong year
				ids++
				s.records = append(s.records, tick{id: ids, at: now.AddDate(1, 0, 0), visible: now})
			}
			cursor = readOn(t, c, cursor, told)
			for _, one := range s.records {
				key := fmt.Sprintf("order/%d %s", one.id, one.at.UTC().Format(time.RFC3339))
				if told[key] != 1 {
					t.Fatalf("seed %d: %s was told %d times", seed, key, told[key])
				}
			}
			now = now.Add(time.Duration(random.IntN(40)) * time.Second)
		}
		// Nothing happens any more: nothing is told, and the cursor stays.
		cursor = readOn(t, c, cursor, told)
		before := len(told)
		if again := readOn(t, c, cursor, told); len(told) != before || string(again) != string(cursor) {
			t.Errorf("seed %d: %d told when nothing happened, cursor changed: %v", seed, len(told)-before, string(again) != string(cursor))
		}
	}
}

// readOn reads all that there is, counts what is told, and returns the last cursor.
func readOn(t *testing.T, c *connectorhttp.Connector, cursor connector.Cursor, told map[string]int) connector.Cursor {
	t.Helper()
	for more := true; more; {
		changes, err := c.Changes(t.Context(), cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range changes.Events {
			told[e.SourceKey+" "+e.SourceRevision]++
		}
		cursor, more = changes.Cursor, changes.More
	}
	return cursor
}

// Where more records bear one time than an answer holds, and the system cannot tell them apart, that is a fault and no silence; so is a cursor of
// another definition.
func TestFeedThatStandsStill(t *testing.T) {
	now := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	s := &ticks{size: 5, deaf: true}
	for i := range 6 {
		s.records = append(s.records, tick{id: i + 1, at: now, visible: now})
	}
	c := described(t, connectorhttp.Config{URL: s.open(t, &now).URL, Now: func() time.Time { return now }}, ticksOnly)
	var cursor connector.Cursor
	var err error
	for range 5 {
		var changes connector.Changes
		if changes, err = c.Changes(t.Context(), cursor); err != nil {
			break
		}
		cursor = changes.Cursor
	}
	if f := fault(t, err); f.Code != "feed_stands_still" || f.Remedy == "" {
		t.Errorf("%+v", f)
	}
	if _, err := c.Changes(t.Context(), connector.Cursor("17|x")); fault(t, err).Code != "cursor" {
		t.Errorf("another cursor: %v", err)
	}
}

// What is wrong with pages and clocks is told with its line.
func TestPagesAndClocksAreCheckedAtLoad(t *testing.T) {
	for text, want := range map[string]string{
		strings.Replace(ticksOnly, "overlap: 30s, size: 5", "overlap: 10ms, resolution: 1s, size: 1, from: yesterday", 1):                   "test.yaml:8: changes.clock.overlap|changes.clock.size|changes.clock.from",
		strings.Replace(ticksOnly, "  items: body.orders", "  items: body.orders\n  next: 'body.next'", 1):                                  "test.yaml:9: changes.clock: excludes next",
		strings.Replace(issuesOnly, "items: body.items", "pages: {style: number}, items: body.items", 1):                                    "test.yaml:7: kinds.goods_issue.find.pages.size",
		strings.Replace(issuesOnly, "items: body.items", "pages: {style: next, size: 3}, items: body.items", 1):                             "find.pages.next: is missing|find.pages: first and size",
		strings.Replace(issuesOnly, "items: body.items", "pages: {style: scroll}, items: body.items", 1):                                    "find.pages.style: \"scroll\" is no style",
		strings.Replace(issuesOnly, "body: '{\"key\": posting.key}'", "pages: {style: number, size: 3}, body: '{\"key\": posting.key}'", 1): "kinds.goods_issue.apply[0].pages",
		strings.Replace(issuesOnly, "body: '{\"key\": posting.key}'", "body: '{\"key\": posting.key}', form: '{\"key\": posting.key}'", 1):  "apply[0].form: excludes body",
		strings.Replace(issuesOnly, "path: '\"/items\"', items", "path: '\"/items\"', form: '{\"key\": posting.key}', items", 1):            "find.method: GET carries no body",
		issuesOnly + "failed: body\nerrors:\n  - {status: [429], class: technical, code: busy, remedy: wait, retry_after: '\"soon\"'}\n":    "test.yaml:12: errors[0].retry_after",
	} {
		_, err := connectorhttp.Parse("test.yaml", []byte(text))
		for part := range strings.SplitSeq(want, "|") {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("not told: %s\ntold: %v", part, err)
			}
		}
	}
}

// An error inside an answer of success is one, by the table, and what asks for patience is waited for; a search by POST has no effect to be unknown.
//
// Shows: S64
func TestErrorsInsideSuccess(t *testing.T) {
	var answer map[string]any
	status := 200
	web := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		var call struct{ Method string }
		_ = json.NewDecoder(r.Body).Decode(&call)
		if call.Method == "create" || answer["search"] != nil {
			reply(w, status, answer)
			return
		}
		reply(w, 200, map[string]any{"result": []any{}})
	}))
	defer web.Close()
	c := described(t, connectorhttp.Config{URL: web.URL}, `
system: rpc
probe: {method: POST, path: '"/jsonrpc"', body: '{"jsonrpc": "2.0", "method": "version"}', expect: 'has(body.result)'}
failed: 'has(body.error)'
errors:
  - {when: 'body.error.data.name == "AccessDenied"', class: technical, code: not_authorised, remedy: give the right}
  - {when: 'body.error.code == 429', class: technical, code: busy, remedy: it is tried again, retry_after: body.error.wait}
  - {when: 'body.error.data.name == "Validation"', class: process, code: closed, text: body.error.message, remedy: open it}
kinds:
  goods_issue:
    style: create-once
    find: {method: POST, path: '"/jsonrpc"', body: '{"method": "search", "params": [posting.key]}', items: body.result, document: {kind: issue, number: item.number}, complete: 'true'}
    apply:
      - {path: '"/jsonrpc"', body: '{"jsonrpc": "2.0", "method": "create", "params": {"key": posting.key}}'}
`)
	if _, err := c.Probe(t.Context()); err != nil {
		t.Error(err)
	}
	for _, tc := range []struct {
		err  map[string]any
		code string
		wait time.Duration
		text string
	}{
		{map[string]any{"message": "Odd", "data": map[string]any{"name": "AccessDenied"}}, "not_authorised", 0, ""},
		{map[string]any{"code": 429, "message": "slowly", "wait": 7}, "busy", 7 * time.Second, ""},
		{map[string]any{"message": "the period is closed", "data": map[string]any{"name": "Validation"}}, "closed", 0, "the period is closed"},
		{map[string]any{"message": "no such thing"}, "refused", 0, ""},
	} {
		answer, status = map[string]any{"error": tc.err}, 200
		_, err := c.Apply(t.Context(), someIssue("K1"))
		if f := fault(t, err); f.Code != tc.code || f.RetryAfter != tc.wait || f.Unknown || f.Remedy == "" || !strings.Contains(f.Text, tc.text) {
			t.Errorf("%v: %+v", tc.err, f)
		}
	}
	answer, status = map[string]any{"search": "broken"}, 500
	if _, err := c.Find(t.Context(), someIssue("K1")); fault(t, err).Unknown {
		t.Errorf("a search is said to be unknown: %v", err)
	}
	answer = map[string]any{"create": "broken"}
	if _, err := c.Apply(t.Context(), someIssue("K1")); !fault(t, err).Unknown {
		t.Errorf("a write is said to be known: %v", err)
	}
}
