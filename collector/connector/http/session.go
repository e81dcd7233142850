package http

import (
	"context"
	"errors"
	"fmt"
	nethttp "net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// session is a token or a session at the system, from its beginning to its end.
type session struct {
	values  map[string]string
	cookies nethttp.CookieJar
	// renew is when it is exchanged for a new one, before it ends; zero is when the system says that it is over.
	renew time.Time
}

// renewBefore is how long before its end a token is exchanged, but no more than a tenth of its life.
const renewBefore = time.Minute

func (s *session) lasts(now time.Time, life time.Duration) {
	if life > 0 {
		s.renew = now.Add(life - min(renewBefore, life/10))
	}
}

// sessions keeps the one that is in use. Its place is taken by whoever opens a new one; others wait for that.
type sessions struct {
	place chan struct{}
	now   *session
	// rotated is a refresh token that could not be written down yet.
	rotated string
}

// session returns what requests bear now: a new one where there is none, where it is near its end, and where it is the one that was refused.
// It is nil where the definition wants none.
func (c *Connector) session(ctx context.Context, refused *session) (*session, error) {
	a := c.definition.auth
	if !a.sessions() {
		return nil, nil
	}
	select {
	case c.sessions.place <- struct{}{}:
	case <-ctx.Done():
		return nil, technical("timeout", "the request was not sent: its time was over while a session was opened", "it will be tried again", ctx.Err())
	}
	defer func() { <-c.sessions.place }()
	now := c.sessions.now
	if now != nil && now != refused && (now.renew.IsZero() || c.now().Before(now.renew)) {
		return now, nil
	}
	open := c.logIn
	if a.oauth2 != nil {
		open = c.fetchToken
	}
	opened, err := open(ctx)
	if err != nil {
		return nil, c.hidden.fault(atDoor(err))
	}
	for _, value := range opened.values {
		c.hidden.keep(value)
	}
	c.sessions.now = opened
	return opened, nil
}

// atDoor is a fault of a login: nothing of the posting was sent, and nothing is wrong with it.
func atDoor(err error) error {
	f, ok := errors.AsType[*connector.Fault](err)
	if !ok {
		return technical("login_refused", "no session could be opened", "check the connector's auth", err)
	}
	door := *f
	door.Unknown = false
	if f.Class != docklinev1.FaultClass_FAULT_CLASS_TECHNICAL {
		door.Class, door.Code, door.Remedy = docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, "login_refused", "check the connector's auth and the definition's auth section"
	}
	return &door
}

// fetchToken asks for a token of OAuth 2.
func (c *Connector) fetchToken(ctx context.Context) (*session, error) {
	o := c.definition.auth.oauth2
	address := first(c.auth.TokenURL, c.base+o.path)
	form := url.Values{"grant_type": {o.grant}}
	for name, value := range o.parameters {
		form.Set(name, value)
	}
	if o.scope != "" {
		form.Set("scope", o.scope)
	}
	if o.grant == grantRefresh {
		refresh := c.sessions.rotated
		if refresh == "" {
			var err error
			if refresh, err = c.secret(c.auth.RefreshTokenFile); err != nil {
				return nil, err
			}
		}
		form.Set("refresh_token", refresh)
	}
	id, secret := c.auth.ClientID, ""
	if o.client != clientPublic {
		var err error
		if secret, err = c.secret(c.auth.ClientSecretFile); err != nil {
			return nil, err
		}
	}
	if o.client != clientHeader {
		form.Set("client_id", id)
	}
	if o.client == clientBody {
		form.Set("client_secret", secret)
	}
	got, err := c.transmit(ctx, "token", func(ctx context.Context) (*nethttp.Request, error) {
		req, err := nethttp.NewRequestWithContext(ctx, nethttp.MethodPost, address, strings.NewReader(form.Encode()))
		if err != nil {
			return nil, technical("credentials", "the address of the token endpoint is none", "check auth.token_url", err)
		}
		usual(req, formType)
		if o.client == clientHeader {
			req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret)) // RFC 6749, section 2.3.1
		}
		return req, nil
	})
	if err != nil {
		return nil, err
	}
	return c.tokenOf(ctx, got)
}

// tokenOf reads the answer of a token endpoint (RFC 6749, section 5).
func (c *Connector) tokenOf(ctx context.Context, got *answer) (*session, error) {
	body, _ := got.body.(map[string]any)
	text := func(name string) string { s, _ := body[name].(string); return s }
	access := text("access_token")
	switch {
	case got.status/100 == 2 && access != "":
	case got.status/100 == 2:
		return nil, technical("login_refused", "the token endpoint answers without a token", "check auth.token_url and the definition's auth.oauth2", nil)
	case got.status == 400 || got.status == 401 || got.status == 403:
		return nil, technical("login_refused", strings.TrimSuffix(fmt.Sprintf("the token endpoint refuses with status %d: %s: %s", got.status, text("error"), text("error_description")), ": "),
			"check client_id and what client_secret_file and refresh_token_file hold", nil)
	default:
		return nil, c.classify(ctx, &request{method: nethttp.MethodPost}, got)
	}
	if kind := text("token_type"); kind != "" && !strings.EqualFold(kind, "bearer") {
		return nil, technical("login_refused", "the token endpoint gives a token of type "+kind+"; only bearer tokens can be used", "ask for a bearer token, or describe the login in auth.login", nil)
	}
	c.hidden.keep(access)
	s := &session{values: map[string]string{"token": access}}
	if seconds, ok := body["expires_in"].(int64); ok {
		s.lasts(c.now(), time.Duration(min(max(0, seconds), 365*24*3600))*time.Second)
	}
	if next := text("refresh_token"); next != "" && c.definition.auth.oauth2.grant == grantRefresh {
		c.hidden.keep(next)
		c.sessions.rotated = next
		if err := replaceFile(c.auth.RefreshTokenFile, next); err != nil {
			return nil, technical("credentials", "the system gave a new refresh token, and it cannot be written to "+c.auth.RefreshTokenFile+"; with the one in the file no token can be had after a restart",
				"let the collector write the file and its folder; until then nothing is sent", err)
		}
		c.sessions.rotated = ""
	}
	return s, nil
}

// replaceFile writes a file as a whole or not at all.
func replaceFile(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".token-*") // made for its owner alone
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// logIn takes the steps of the definition's login.
func (c *Connector) logIn(ctx context.Context) (*session, error) {
	l := c.definition.auth.login
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	s := &session{values: map[string]string{}, cookies: jar}
	secrets, err := c.secrets()
	if err != nil {
		return nil, err
	}
	answers := []any{}
	v := values{"secret": secrets, "answers": answers}
	for i, step := range l.steps {
		v = v.with(values{"answers": answers, "time": c.now().UTC(), "nonce": uuid.NewString()})
		got, err := c.transmit(ctx, "login", func(ctx context.Context) (*nethttp.Request, error) {
			return c.buildStep(ctx, step.request, v, s)
		})
		if err != nil {
			return nil, err
		}
		c.takeCookies(s, got)
		if got.status/100 != 2 || c.failed(ctx, step.request, got) {
			return nil, c.classify(ctx, step.request, got)
		}
		worked, err := step.expect.bool(ctx, got.vars(step.request.method), true)
		if err != nil {
			return nil, err
		}
		if !worked {
			return nil, technical("login_refused", fmt.Sprintf("step %d of the login was answered, and not as auth.login.steps[%d].expect wants it: %s", i+1, i, said(got)),
				"check user, password and secrets of the connector's auth", nil)
		}
		answers = append(answers, map[string]any{"status": int64(got.status), "body": got.body, "headers": got.vars("")["headers"]})
	}
	v = v.with(values{"answers": answers, "time": c.now().UTC(), "nonce": uuid.NewString()})
	if got, err := l.session.strings(ctx, v); err != nil {
		return nil, err
	} else if got != nil {
		s.values = got
	}
	seconds, err := l.lasts.int(ctx, v)
	if err != nil {
		return nil, err
	}
	s.lasts(c.now(), time.Duration(min(max(0, seconds), 365*24*3600))*time.Second)
	return s, nil
}

// takeCookies keeps what an answer sets, for the requests of the session.
func (c *Connector) takeCookies(s *session, got *answer) {
	if s != nil && s.cookies != nil && got.url != nil {
		if set := got.cookies; len(set) > 0 {
			s.cookies.SetCookies(got.url, set)
		}
	}
}

// over says whether an answer means that token or session has ended.
func (c *Connector) over(ctx context.Context, r *request, got *answer) bool {
	a := c.definition.auth
	if a.expired == nil {
		return got.status == nethttp.StatusUnauthorized
	}
	ended, err := a.expired.bool(ctx, got.vars(r.method), false)
	return err == nil && ended // an answer that lacks what the expression looks for says nothing of the kind
}

// prove puts on a request the account, the token or the session's cookies.
func (c *Connector) prove(req *nethttp.Request, s *session) error {
	a := c.definition.auth
	switch {
	case c.auth.BearerFile != "":
		token, err := c.secret(c.auth.BearerFile)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	case a.oauth2 != nil:
		req.Header.Set("Authorization", "Bearer "+s.values["token"])
	case c.auth.User != "" && (a.login == nil || a.login.basic):
		password, err := c.secret(c.auth.PasswordFile)
		if err != nil {
			return err
		}
		c.hidden.keep(c.auth.User + ":" + password) // as HTTP Basic writes it
		req.SetBasicAuth(c.auth.User, password)
	}
	if s != nil && s.cookies != nil {
		for _, cookie := range s.cookies.Cookies(req.URL) {
			req.AddCookie(cookie)
		}
	}
	return nil
}

// sign puts on a request what the definition wants each to bear.
func (c *Connector) sign(ctx context.Context, req *nethttp.Request, body string, s *session) error {
	a := c.definition.auth
	if a.headers == nil && a.query == nil {
		return nil
	}
	secrets, err := c.secrets()
	if err != nil {
		return err
	}
	v := values{"secret": secrets, "session": valuesOf(s), "time": c.now().UTC(), "nonce": uuid.NewString(),
		"request": map[string]string{"method": req.Method, "host": req.URL.Host, "path": req.URL.EscapedPath(), "query": req.URL.RawQuery, "body": body}}
	query, err := a.query.strings(ctx, v)
	if err != nil {
		return atDoor(err)
	}
	if len(query) > 0 {
		all := req.URL.Query()
		for name, value := range query {
			c.hidden.name(name)
			all.Set(name, value)
		}
		req.URL.RawQuery = all.Encode()
	}
	headers, err := a.headers.strings(ctx, v)
	if err != nil {
		return atDoor(err)
	}
	for name, value := range headers {
		c.hidden.name(name)
		req.Header.Set(name, value)
	}
	return nil
}

func valuesOf(s *session) map[string]string {
	if s == nil || s.values == nil {
		return map[string]string{}
	}
	return s.values
}
