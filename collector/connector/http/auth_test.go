package http_test

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	connectorhttp "github.com/dockline/dockline/collector/connector/http"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	clientSecret = "c1ient+secret/ä&=1"
	userPassword = "pa55word \"quoted\""
)

// kept writes a secret file.
func kept(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// described is a connector by a definition that stands in the test.
func described(t *testing.T, c connectorhttp.Config, text string) *connectorhttp.Connector {
	t.Helper()
	d, err := connectorhttp.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	made, err := connectorhttp.NewWith(c, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(made.Close)
	return made
}

// issues takes goods issues and shows them, to whoever is let in. Every request that it is sent is noted.
type issues struct {
	mu     sync.Mutex
	admit  func(r *nethttp.Request, body string) (status int, answer any) // 0 is in
	doors  map[string]nethttp.HandlerFunc
	posted []string
	asked  int
}

func (s *issues) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	text, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if door := s.doors[r.URL.Path]; door != nil {
		r.Body = io.NopCloser(strings.NewReader(string(text)))
		door(w, r)
		return
	}
	s.asked++
	if status, answer := s.admit(r, string(text)); status != 0 {
		reply(w, status, answer)
		return
	}
	if r.Method == nethttp.MethodPost {
		var in struct{ Key string }
		_ = json.Unmarshal(text, &in)
		s.posted = append(s.posted, in.Key)
	}
	items := []any{}
	for i, key := range s.posted {
		items = append(items, map[string]any{"key": key, "number": fmt.Sprint("GI", i+1)})
	}
	reply(w, 200, map[string]any{"items": items})
}

func reply(w nethttp.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// issuesOnly is the definition that goes with it; what is between is the test's.
const issuesOnly = `
system: issues
probe: {path: '"/items"', expect: 'has(body.items)'}
kinds:
  goods_issue:
    style: create-once
    find: {path: '"/items"', items: body.items, match: 'item.key == posting.key', document: {kind: issue, number: item.number}, complete: 'true'}
    apply:
      - {path: '"/items"', body: '{"key": posting.key}'}
`

func someIssue(key string) *connector.Posting {
	return &connector.Posting{Kind: connector.GoodsIssue, Key: key, SourceVersion: 1, Document: &docklinev1.Document{Document: &docklinev1.Document_GoodsIssue{
		GoodsIssue: &docklinev1.GoodsIssue{Order: "SO1"}}}}
}

func apply(t *testing.T, c *connectorhttp.Connector, p *connector.Posting) {
	t.Helper()
	if _, err := c.Apply(t.Context(), p); err != nil {
		t.Fatal(err)
	}
}

// A token is fetched once for many requests, exchanged before its end and when the system no longer takes it, and a write that was refused at the
// door is done once.
//
// Shows: S1, S3
func TestTokensOfOAuth2(t *testing.T) {
	for _, client := range []string{"header", "body"} {
		t.Run(client, func(t *testing.T) {
			now, given, valid := time.Unix(1e9, 0), 0, ""
			s := &issues{admit: func(r *nethttp.Request, _ string) (int, any) {
				if r.Header.Get("Authorization") != "Bearer "+valid {
					return 401, map[string]any{"error": "invalid_token", "message": "not " + r.Header.Get("Authorization")}
				}
				return 0, nil
			}}
			s.doors = map[string]nethttp.HandlerFunc{"/oauth2/token": func(w nethttp.ResponseWriter, r *nethttp.Request) {
				id, secret, _ := r.BasicAuth()
				if client == "body" {
					id, secret = r.FormValue("client_id"), r.FormValue("client_secret")
				} else if secret == "c1ient%2Bsecret%2F%C3%A4%26%3D1" { // form-encoded before it is put into the header
					secret = clientSecret
				}
				if id != "dockline" || secret != clientSecret || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "stock orders" || r.FormValue("audience") != "erp" {
					reply(w, 401, map[string]any{"error": "invalid_client", "error_description": "not with " + secret})
					return
				}
				given++
				valid = fmt.Sprint("token-number-", given)
				reply(w, 200, map[string]any{"access_token": valid, "token_type": "Bearer", "expires_in": 3600})
			}}
			web := httptest.NewServer(s)
			defer web.Close()
			secret := kept(t, clientSecret)
			c := described(t, connectorhttp.Config{URL: web.URL, Auth: connectorhttp.Auth{ClientID: "dockline", ClientSecretFile: secret}, Now: func() time.Time { return now }},
				issuesOnly+"auth: {oauth2: {grant: client_credentials, path: /oauth2/token, client: "+client+", scope: stock orders, parameters: {audience: erp}}}\n")
			probe := func(want int) {
				t.Helper()
				if _, err := c.Probe(t.Context()); err != nil {
					t.Fatal(err)
				}
				if given != want {
					t.Errorf("%d tokens, want %d", given, want)
				}
			}
			probe(1)
			probe(1)
			now = now.Add(58 * time.Minute)
			probe(1)
			now = now.Add(time.Minute + time.Second) // a minute before its end
			probe(2)
			valid = "revoked"
			apply(t, c, someIssue("K1"))
			if given != 3 || len(s.posted) != 1 {
				t.Errorf("%d tokens, want 3; posted %v", given, s.posted)
			}
			// A system that takes no token at all is asked once more, no more.
			s.admit = func(r *nethttp.Request, _ string) (int, any) {
				return 401, map[string]any{"message": "not " + r.Header.Get("Authorization")}
			}
			asked := s.asked
			_, err := c.Probe(t.Context())
			if f := fault(t, err); f.Code != "not_authorised" || s.asked != asked+2 || given != 4 {
				t.Errorf("%v, asked %d times, %d tokens", f, s.asked-asked, given)
			}
			if strings.Contains(err.Error(), "token-number") {
				t.Errorf("the token is told: %v", err)
			}
			if err := os.WriteFile(secret, []byte("other-secret"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err = c.Apply(t.Context(), someIssue("K2"))
			if f := fault(t, err); f.Code != "login_refused" || f.Unknown || f.Class != docklinev1.FaultClass_FAULT_CLASS_TECHNICAL || !strings.Contains(f.Text, "invalid_client") || strings.Contains(err.Error(), "other-secret") {
				t.Errorf("wrong secret: %+v", f)
			}
		})
	}
}

// A refresh token that is exchanged at each use is written down before it is used, so that a restart has the newest.
func TestRefreshTokensAreKept(t *testing.T) {
	refresh, given := "refresh-0", 0
	s := &issues{admit: func(r *nethttp.Request, _ string) (int, any) {
		if r.Header.Get("Authorization") != fmt.Sprint("Bearer access-", given) {
			return 401, nil
		}
		return 0, nil
	}, doors: map[string]nethttp.HandlerFunc{"/token": func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.FormValue("refresh_token") != refresh || r.FormValue("client_id") != "dockline" {
			reply(w, 400, map[string]any{"error": "invalid_grant"})
			return
		}
		given++
		refresh = fmt.Sprint("refresh-", given)
		reply(w, 200, map[string]any{"access_token": fmt.Sprint("access-", given), "refresh_token": refresh, "expires_in": 1000})
	}}}
	web := httptest.NewServer(s)
	defer web.Close()
	now, file := time.Unix(1e9, 0), kept(t, refresh)
	config := connectorhttp.Config{URL: web.URL, Auth: connectorhttp.Auth{ClientID: "dockline", RefreshTokenFile: file}, Now: func() time.Time { return now }}
	text := issuesOnly + "auth: {oauth2: {grant: refresh_token, path: /token, client: public}}\n"
	for n := 1; n <= 3; n++ {
		c := described(t, config, text) // a new process each time
		for range 2 {
			if _, err := c.Probe(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if held, _ := os.ReadFile(file); strings.TrimSpace(string(held)) != fmt.Sprint("refresh-", n) {
			t.Errorf("the file holds %s after %d exchanges", held, n)
		}
	}
}

// A session is opened by answering a challenge, its id stands in each body and its cookie goes along; when the system forgets it a new one is opened,
// once, also for many requests at once.
func TestSessionLoginByChallenge(t *testing.T) {
	const key = "ACCESSKEY-4711"
	opened, alive := 0, ""
	s := &issues{admit: func(r *nethttp.Request, body string) (int, any) {
		cookie, _ := r.Cookie("tie")
		if r.URL.Query().Get("session") != alive || cookie == nil || cookie.Value != "knot" {
			return 200, map[string]any{"success": false, "error": map[string]any{"code": "INVALID_SESSIONID", "message": "no session " + r.URL.Query().Get("session")}}
		}
		return 0, nil
	}}
	s.doors = map[string]nethttp.HandlerFunc{
		"/challenge": func(w nethttp.ResponseWriter, r *nethttp.Request) {
			if r.URL.Query().Get("username") != "dockline" {
				reply(w, 200, map[string]any{"success": false})
				return
			}
			nethttp.SetCookie(w, &nethttp.Cookie{Name: "tie", Value: "knot", Path: "/"})
			reply(w, 200, map[string]any{"success": true, "result": map[string]any{"token": "dare"}})
		},
		"/login": func(w nethttp.ResponseWriter, r *nethttp.Request) {
			sum := md5.Sum([]byte("dare" + key))
			if r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.FormValue("accessKey") != hex.EncodeToString(sum[:]) {
				reply(w, 200, map[string]any{"success": false, "error": map[string]any{"code": "INVALID_AUTH_TOKEN", "message": "not " + r.FormValue("accessKey") + " of " + key}})
				return
			}
			opened++
			alive = fmt.Sprint("session-", opened)
			reply(w, 200, map[string]any{"success": true, "result": map[string]any{"sessionName": alive}})
		}}
	web := httptest.NewServer(s)
	defer web.Close()
	secret := kept(t, key)
	config := connectorhttp.Config{URL: web.URL, Auth: connectorhttp.Auth{User: "dockline", PasswordFile: kept(t, userPassword), Secrets: map[string]string{"access_key": secret}}}
	text := issuesOnly + `
failed: 'has(body.success) && !body.success'
errors:
  - {when: 'body.error.code == "INVALID_SESSIONID"', class: technical, code: session, remedy: it is opened again}
auth:
  secrets: [access_key]
  login:
    steps:
      - {method: GET, path: '"/challenge"', query: '{"username": secret.user}', expect: 'has(body.result.token)'}
      - {path: '"/login"', form: '{"username": secret.user, "accessKey": hex(md5(answers[0].body.result.token + secret.access_key))}'}
    session: '{"id": answers[1].body.result.sessionName}'
  query: '{"session": session.id}'
  expired: 'body.error.code == "INVALID_SESSIONID"'
`
	c := described(t, config, text)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if _, err := c.Apply(t.Context(), someIssue(fmt.Sprint("K", i))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if opened != 1 || len(s.posted) != 8 {
		t.Errorf("%d sessions for %d documents", opened, len(s.posted))
	}
	alive = "forgotten"
	apply(t, c, someIssue("K9"))
	if opened != 2 || len(s.posted) != 9 {
		t.Errorf("%d sessions for %d documents after it was forgotten", opened, len(s.posted))
	}
	alive = "forgotten again"
	if err := os.WriteFile(secret, []byte("WRONG-KEY-1"), 0o600); err != nil {
		t.Fatal(err)
	}
	var seen []connector.Exchange
	_, err := c.Probe(connector.WithTrace(t.Context(), func(ex connector.Exchange) { seen = append(seen, ex) }))
	if f := fault(t, err); f.Code != "login_refused" || f.Remedy == "" {
		t.Errorf("wrong key: %+v", f)
	}
	all2, _ := json.Marshal(seen)
	for _, told := range []string{err.Error(), string(all2)} {
		for _, secret := range []string{key, "WRONG-KEY", "session-2", userPassword, "knot"} {
			if strings.Contains(told, secret) {
				t.Errorf("%s is told: %s", secret, told)
			}
		}
	}
	if len(seen) != 3 || seen[1].Purpose != "login" || !strings.Contains(seen[0].URL, "session=hidden") {
		t.Errorf("traced: %s", all2)
	}
}

// A CSRF token is fetched with a read, sent with writes, and fetched anew when the system asks for that.
func TestCSRFToken(t *testing.T) {
	fetched, valid := 0, ""
	s := &issues{}
	s.admit = func(r *nethttp.Request, _ string) (int, any) {
		if user, password, _ := r.BasicAuth(); user != "dockline" || password != userPassword {
			return 401, map[string]any{"message": "who?"}
		}
		if r.Method != nethttp.MethodGet && r.Header.Get("X-CSRF-Token") != valid {
			return 403, map[string]any{"message": "CSRF token validation failed"}
		}
		return 0, nil
	}
	s.doors = map[string]nethttp.HandlerFunc{"/$metadata": func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if _, _, basic := r.BasicAuth(); r.Header.Get("X-CSRF-Token") == "Fetch" && basic {
			fetched++
			valid = fmt.Sprint("csrf-token-", fetched)
			w.Header().Set("X-CSRF-Token", valid)
		}
		reply(w, 200, map[string]any{})
	}}
	web := httptest.NewServer(s)
	defer web.Close()
	c := described(t, connectorhttp.Config{URL: web.URL, Auth: connectorhttp.Auth{User: "dockline", PasswordFile: kept(t, userPassword)}}, issuesOnly+`
auth:
  login:
    basic: true
    steps:
      - {method: GET, path: '"/$metadata"', headers: '{"X-CSRF-Token": "Fetch"}', expect: '"x-csrf-token" in headers'}
    session: '{"csrf": answers[0].headers["x-csrf-token"]}'
  headers: 'request.method == "GET" ? {} : {"X-CSRF-Token": session.csrf}'
  expired: 'status == 403 && body.message.contains("CSRF")'
`)
	apply(t, c, someIssue("K1"))
	valid = "other"
	apply(t, c, someIssue("K2"))
	if fetched != 2 || len(s.posted) != 2 {
		t.Errorf("%d tokens for %v", fetched, s.posted)
	}
}

// Every request is signed over its method, path, query and body, with a key that nobody sees.
func TestSignedRequests(t *testing.T) {
	const key = "signing-key-1"
	s := &issues{admit: func(r *nethttp.Request, body string) (int, any) {
		mac := hmac.New(sha256.New, []byte(key))
		fmt.Fprintf(mac, "%s\n%s\n%s\n%s", r.Method, r.URL.RequestURI(), r.Header.Get("X-Time"), body)
		if r.Header.Get("X-Signature") != hex.EncodeToString(mac.Sum(nil)) {
			return 403, map[string]any{"message": "signature " + r.Header.Get("X-Signature") + " does not match"}
		}
		return 0, nil
	}}
	web := httptest.NewServer(s)
	defer web.Close()
	file := kept(t, key)
	c := described(t, connectorhttp.Config{URL: web.URL, Auth: connectorhttp.Auth{Secrets: map[string]string{"key": file}}}, issuesOnly+`
auth:
  secrets: [key]
  headers: |
    {"X-Time": string(int(time)),
      "X-Signature": hex(hmac_sha256(secret.key, request.method + "\n" + request.path + (request.query == "" ? "" : "?" + request.query) + "\n" + string(int(time)) + "\n" + request.body))}
`)
	apply(t, c, someIssue("K1"))
	if len(s.posted) != 1 {
		t.Errorf("posted %v", s.posted)
	}
	if err := os.WriteFile(file, []byte("another-key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Probe(t.Context()); fault(t, err).Code != "not_authorised" {
		t.Errorf("another key: %v", err)
	}
}

// What the account lacks or has too much of is told before anything is sent; what is wrong in the definition, with its line.
func TestAuthIsCheckedAtLoad(t *testing.T) {
	for name, c := range map[string]struct {
		auth connectorhttp.Auth
		text string
		want []string
	}{
		"no client":       {text: "auth: {oauth2: {grant: client_credentials}}", want: []string{"auth: client_id is missing"}},
		"no token url":    {auth: connectorhttp.Auth{ClientID: "c", ClientSecretFile: "f"}, text: "auth: {oauth2: {grant: client_credentials}}", want: []string{"auth: token_url is missing"}},
		"no refresh":      {auth: connectorhttp.Auth{ClientID: "c", ClientSecretFile: "f", TokenURL: "https://x/t"}, text: "auth: {oauth2: {grant: refresh_token}}", want: []string{"refresh_token_file"}},
		"client unasked":  {auth: connectorhttp.Auth{ClientID: "c"}, want: []string{"client_id is given, and the definition has no auth.oauth2"}},
		"secret missing":  {text: "auth: {secrets: [key]}", want: []string{"auth: secrets.key is missing"}},
		"secret unasked":  {auth: connectorhttp.Auth{Secrets: map[string]string{"kee": "f"}}, text: "auth: {secrets: [key]}", want: []string{"secrets.kee is not asked for", "secrets.key is missing"}},
		"basic login":     {text: "auth: {login: {basic: true, steps: [{path: '\"/\"'}]}}", want: []string{"auth.login.basic is true"}},
		"two ways":        {auth: connectorhttp.Auth{ClientID: "c", BearerFile: "b", TokenURL: "x"}, want: []string{"exclude each other", "token_url is not an address"}},
		"grant":           {text: "auth:\n  oauth2: {grant: password, client: cookie, path: token}", want: []string{"test.yaml:11: auth.oauth2.grant", "auth.oauth2.client", "auth.oauth2.path"}},
		"token and login": {text: "auth:\n  oauth2: {grant: client_credentials}\n  login: {steps: []}", want: []string{"test.yaml:12: auth.login", "auth.login.steps: has no step"}},
		"expression":      {text: "auth:\n  headers: '{\"X\": sha257(secret.key)}'", want: []string{"test.yaml:11: auth.headers", "sha257"}},
		"names":           {text: "auth: {secrets: [user, a, a]}", want: []string{"auth.secrets[0]", "auth.secrets[2]"}},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := connectorhttp.Parse("test.yaml", []byte(issuesOnly+c.text+"\n"))
			if err == nil {
				_, err = connectorhttp.NewWith(connectorhttp.Config{URL: "http://127.0.0.1:1", Auth: c.auth}, d)
			}
			if err == nil {
				t.Fatal("it is taken")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("not told: %s\ntold: %v", want, err)
				}
			}
		})
	}
}

// A login that hangs ends with the call, and holds up nobody whose time is not over.
func TestLoginEndsWithTheCall(t *testing.T) {
	release := make(chan struct{})
	web := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer web.Close()
	defer close(release)
	c := described(t, connectorhttp.Config{URL: web.URL, Timeout: time.Minute, Auth: connectorhttp.Auth{ClientID: "c", ClientSecretFile: kept(t, clientSecret)}},
		issuesOnly+"auth: {oauth2: {grant: client_credentials, path: /token}}\n")
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := c.Apply(ctx, someIssue("K1"))
			if f := fault(t, err); f.Code != "timeout" && f.Code != "cancelled" || f.Unknown {
				t.Errorf("%+v", f)
			}
		})
	}
	all.Wait()
}
