package api_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/api"
	"github.com/dockline/dockline/collector/siteconfig"
	"github.com/dockline/dockline/testenv"
)

func tokenFile(lines ...string) []byte {
	return []byte("tokens:\n" + strings.Join(lines, ""))
}

func line(name, token, more string) string {
	sum := sha256.Sum256([]byte(token))
	return fmt.Sprintf("  - {name: %s, sha256: %s, %s}\n", name, hex.EncodeToString(sum[:]), more)
}

// Who has a token with a name acts under that name and no other, within its scopes and tenants; the one token that there was before stays what it was.
//
// Shows: S2
func TestATokenActsUnderItsName(t *testing.T) {
	named, err := api.ReadTokens("tokens.yaml", tokenFile(line("shop", "t-shop", "scopes: [read, act], tenants: [acme]"), line("board", "t-board", "scopes: [read]"), line("robot", "t-robot", "scopes: [act]")))
	if err != nil {
		t.Fatal(err)
	}
	tokens := api.Tokens{Any: "s3cret", Named: named}
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s", r.URL.Query().Get("tenant"), body)
	})
	ask := func(h http.Handler, method, token, target, body string) (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	for _, tc := range []struct {
		what, method, token, target, body string
		status                            int
		says                              string
	}{
		{"no token", "GET", "", "/x", "", 401, "Bearer"},
		{"a wrong one", "GET", "t-sho", "/x", "", 401, "Bearer"},
		{"the name is no token", "GET", "shop", "/x", "", 401, "Bearer"},
		{"the one for all", "POST", "s3cret", "/x?tenant=beta", `{"by":"ines"}`, 200, `beta {"by":"ines"}`},
		{"reads", "GET", "t-board", "/x?tenant=beta", "", 200, "beta"},
		{"may not act", "POST", "t-board", "/x", `{}`, 403, "lacks the scope act"},
		{"may not read", "GET", "t-robot", "/x", "", 403, "lacks the scope read"},
		{"acts under its name", "POST", "t-shop", "/x", `{"number":1.10}`, 200, `acme {"by":"shop","number":1.10}`},
		{"says its name", "POST", "t-shop", "/x", `{"by":"shop"}`, 200, `acme {"by":"shop"}`},
		{"another name", "POST", "t-shop", "/x", `{"by":"ines"}`, 403, "acts as shop"},
		{"another name in other letters", "POST", "t-shop", "/x", `{"BY":"ines"}`, 403, "acts as shop"},
		{"another name behind its own", "POST", "t-shop", "/x", `{"by":"shop","By":"ines"}`, 403, "acts as shop"},
		{"no name at all", "POST", "t-shop", "/x", `{"by":7}`, 403, "acts as shop"},
		{"no object", "POST", "t-shop", "/x", `[1]`, 400, "one JSON object"},
		{"nothing", "POST", "t-shop", "/x", "", 400, "one JSON object"},
		{"null", "POST", "t-shop", "/x", "null", 400, "null says nothing"},
		{"another name, and more behind it", "POST", "t-shop", "/x", `{"by":"ines"} x`, 400, "one JSON object"},
		{"two objects", "POST", "t-shop", "/x", `{"by":"shop"}{"by":"ines"}`, 400, "one JSON object"},
		{"the name twice", "POST", "t-shop", "/x", `{"by":"ines","by":"shop"}`, 200, `acme {"by":"shop"}`},
		{"another tenant", "GET", "t-shop", "/x?tenant=beta", "", 403, `not for tenant \"beta\": ask with tenant=acme`},
		{"two tenants", "GET", "t-shop", "/x?tenant=acme&tenant=beta", "", 403, `not for tenant \"beta\": ask with tenant=acme`},
	} {
		if status, text := ask(api.Guard(tokens, echo), tc.method, tc.token, tc.target, tc.body); status != tc.status || !strings.Contains(text, tc.says) {
			t.Errorf("%s: %d %s, want %d %s", tc.what, status, text, tc.status, tc.says)
		}
	}
	if status, _ := ask(api.GuardWhole(tokens, echo), "GET", "t-shop", "/metrics", ""); status != 403 {
		t.Errorf("of all tenants: %d", status)
	}
	if status, _ := ask(api.GuardWhole(tokens, echo), "GET", "t-board", "/metrics", ""); status != 200 {
		t.Errorf("of all tenants: %d", status)
	}
	if status, _ := ask(api.Guard(api.Tokens{Named: named}, echo), "GET", "", "/x", ""); status != 401 {
		t.Errorf("named tokens alone let in everybody: %d", status)
	}
	if status, _ := ask(api.Guard(api.Tokens{}, echo), "POST", "", "/x", `{}`); status != 200 {
		t.Errorf("without tokens: %d", status)
	}
}

// A verb that nothing here has is answered with those that there are, whatever the scopes of the token, and changes nothing.
func TestVerbsThatThereAreNot(t *testing.T) {
	named, err := api.ReadTokens("tokens.yaml", tokenFile(line("board", "t-board", "scopes: [read]"), line("robot", "t-robot", "scopes: [act], tenants: [acme]")))
	if err != nil {
		t.Fatal(err)
	}
	tokens := api.Tokens{Any: "s3cret", Named: named}
	d := testenv.SQLite(t)
	whole := http.NewServeMux()
	whole.Handle("/api/", api.New(api.Config{DB: d, Tokens: tokens}))
	sites := api.Guard(tokens, &siteconfig.API{Store: siteconfig.Store{DB: d}, Log: slog.New(slog.DiscardHandler)})
	whole.Handle("/api/v1/site-config", sites)
	whole.Handle("/api/v1/site-config/", sites)
	for path, allow := range map[string]string{"/api/v1/orders": "GET, HEAD, POST", "/api/v1/events": "GET, HEAD", "/api/v1/exceptions/1/notes": "POST",
		"/api/v1/site-config": "GET, HEAD, POST", "/api/v1/site-config/drift": "GET, HEAD", "/api/v1/site-config/rollout": "POST"} {
		for _, token := range []string{"s3cret", "t-board", "t-robot"} {
			for _, verb := range []string{"TRACE", "get", "post", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"} {
				r := httptest.NewRequestWithContext(t.Context(), verb, "http://dockline"+path+"?tenant=acme", strings.NewReader(`{"by":"ines"}`))
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Authorization", "Bearer "+token)
				w := httptest.NewRecorder()
				whole.ServeHTTP(w, r)
				if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != allow {
					t.Errorf("%s %s with %s: %d, Allow %q, want 405, %q", verb, path, token, w.Code, w.Header().Get("Allow"), allow)
				}
			}
		}
	}
}

// What is wrong in the file of tokens is said with its line.
func TestAFileOfTokensThatIsWrong(t *testing.T) {
	for _, tc := range []struct{ text, says string }{
		{"tokens: []\n", "name at least one"},
		{string(tokenFile("  - {name: shop, sha256: abc, scopes: [read]}\n")), "tokens.yaml:2: tokens[0].sha256: must be"},
		{string(tokenFile(line("shop", "", "scopes: [read]"))), "the token was empty"},
		{string(tokenFile(line("shop", "a", "scopes: [write]"))), `"write": there is read and act`},
		{string(tokenFile(line("shop", "a", "scopes: []"))), "scopes: is empty"},
		{string(tokenFile(line("a b", "a", "scopes: [read]"))), "use 1 to 64 letters"},
		{string(tokenFile(line("shop", "a", "scopes: [read], tenants: [\"\"]"))), `tokens.yaml:2: tokens[0].tenants[0]: "" is no name of a tenant`},
		{string(tokenFile(line("shop", "a", "scopes: [read], tenants: [acme, main/dc]"))), `"main/dc" is no name of a tenant`},
		{string(tokenFile(line("shop", "a", "scopes: [read]"), line("till", "a", "scopes: [read]"))), "is that of shop too"},
		{string(tokenFile(line("shop", "a", "scopes: [read], token: a"))), "token"},
	} {
		if _, err := api.ReadTokens("tokens.yaml", []byte(tc.text)); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, want %s", tc.text, err, tc.says)
		}
	}
}
