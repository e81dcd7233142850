package main

import (
	"encoding/json"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A person tries a connector: he sees the requests, the answers, what was made of them and the class of an error, and no secret. Nothing is made in
// the system unless he asks for that, may do it and says why; then it is in the trail.
//
// Shows: S1, S68
func TestAConnectorIsTried(t *testing.T) {
	dir := filled(t)
	var made []string
	refuse := false
	web := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.Header.Get("Authorization") != "Bearer t0ken-of-the-shop":
			w.WriteHeader(401)
			fmt.Fprintf(w, `{"message": "not with %s"}`, r.Header.Get("Authorization"))
		case r.Method == nethttp.MethodPost && refuse:
			w.WriteHeader(422)
			fmt.Fprint(w, `{"message": "no such item"}`)
		case r.Method == nethttp.MethodPost:
			var in struct{ Key string }
			if err := json.Unmarshal(body, &in); err != nil {
				t.Errorf("%v: %s", err, body)
			}
			made = append(made, in.Key)
			fmt.Fprint(w, `{}`)
		default:
			items := []map[string]string{}
			for i, key := range made {
				items = append(items, map[string]string{"key": key, "number": fmt.Sprint("GI", i+1)})
			}
			if err := json.NewEncoder(w).Encode(map[string]any{"items": items}); err != nil {
				t.Error(err)
			}
		}
	}))
	defer web.Close()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	definition := write("shop.yaml", `system: shop
probe: {path: '"/items"', expect: 'has(body.items)'}
errors: [{status: [422], class: data, code: unknown_item, text: body.message, remedy: add the item}]
kinds:
  goods_issue:
    style: create-once
    find: {path: '"/items"', items: body.items, match: 'item.key == posting.key', document: {kind: issue, number: item.number}, complete: 'true'}
    apply: [{path: '"/items"', body: '{"key": posting.key, "order": posting.goods_issue.order}'}]
`)
	token := write("token", "t0ken-of-the-shop\n")
	config, err := os.ReadFile(filepath.Join(dir, "collector.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	write("collector.yaml", string(config)+fmt.Sprintf("  - {name: shop, tenant: acme, kind: http, role: crm, settings: {url: %q, definition: %q, auth: {bearer_file: %q}}}\n", web.URL, definition, token))
	document := write("issue.json", `{"goods_issue": {"order": "SO1"}}`)
	other := write("status.json", `{"order_status": {"order": "SO1"}}`)
	wrongDocument := write("wrong.json", `{"goods_isue": {}}`)

	for _, tc := range []struct {
		line string
		code int
		says []string
	}{
		{"shop", exitFine, []string{"Probe", "GET " + web.URL + "/items", "answered 200", `it is shop`, "Authorization: [hidden]"}},
		{"shop --document " + document, exitFine, []string{"Find", "no document carries the reference"}},
		{"shop --document " + document + " --apply --reason first --by " + guest, exitWrong, []string{"posting.act"}},
		{"shop --document " + document + " --apply --by " + admin, exitWrong, []string{"--reason"}},
		{"shop --apply --reason first --by " + admin, exitWrong, []string{"--document"}},
		{"shop --document " + other, exitWrong, []string{"crm_status", "takes none", "goods_issue"}},
		{"shop --document " + wrongDocument, exitWrong, []string{"goods_isue"}},
		{"shoop", exitWrong, []string{"has no connector shoop", "shop"}},
	} {
		out, said, code := command(t, dir, append(strings.Fields("connector try --tenant acme"), strings.Fields(tc.line)...)...)
		for _, want := range tc.says {
			if code != tc.code || !strings.Contains(out+said, want) {
				t.Errorf("%s: code %d, does not say %q: %s%s", tc.line, code, want, out, said)
			}
		}
	}
	if len(made) != 0 {
		t.Fatalf("made without being asked, or allowed: %v", made)
	}
	out, said, code := command(t, dir, "connector", "try", "--tenant", "acme", "shop", "--document", document, "--key", "SO1/S1", "--apply", "--reason", "first", "--by", admin, "--json")
	var told struct {
		Calls []struct {
			Requests []struct{ Body string }
			Mapped   []string
		}
	}
	if err := json.Unmarshal([]byte(out), &told); err != nil || code != exitFine {
		t.Fatalf("code %d, %v: %s%s", code, err, out, said)
	}
	if len(told.Calls) != 3 || len(told.Calls[2].Requests) != 3 || told.Calls[2].Requests[1].Body != `{"key":"SO1/S1","order":"SO1"}` || told.Calls[2].Mapped[0] != "issue GI1 was read back" || len(made) != 1 {
		t.Errorf("told %s; made %v", out, made)
	}
	if rows := rowsOf(t, dir, `SELECT person || ' ' || object FROM audit WHERE action = 'connector.try'`); len(rows) != 1 || rows[0] != admin+" connector/shop" {
		t.Errorf("in the trail: %v", rows)
	}
	refuse = true
	out, said, code = command(t, dir, "connector", "try", "--tenant", "acme", "shop", "--document", document, "--key", "SO1/S2", "--apply", "--reason", "second", "--by", admin)
	for _, want := range []string{"! data, unknown_item: no such item", "what to do: add the item", "apply (data unknown_item) of shop went wrong"} {
		if code != exitFailed || !strings.Contains(out+said, want) {
			t.Errorf("code %d, does not say %q: %s%s", code, want, out, said)
		}
	}
	write("token", "another-t0ken\n")
	out, said, code = command(t, dir, "connector", "try", "--tenant", "acme", "shop")
	if code != exitFailed || !strings.Contains(out, "not_authorised") || strings.Contains(out+said, "t0ken") {
		t.Errorf("code %d: %s%s", code, out, said)
	}
}
