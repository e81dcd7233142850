package wmshttp

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Target is a system that is asked, and how it is proved who asks.
type Target struct {
	URL     string        `yaml:"url"`
	CA      string        `yaml:"ca"`
	Auth    Auth          `yaml:"auth"`
	Timeout time.Duration `yaml:"timeout"`
	Rate    Rate          `yaml:"rate"`
}

// Auth is one of: user and password_file; bearer_file; api_key; oauth2.
type Auth struct {
	User         string  `yaml:"user"`
	PasswordFile string  `yaml:"password_file"`
	BearerFile   string  `yaml:"bearer_file"`
	APIKey       *APIKey `yaml:"api_key"`
	OAuth2       *OAuth2 `yaml:"oauth2"`
}

// APIKey stands in a header or in the query.
type APIKey struct {
	Header string `yaml:"header"`
	Query  string `yaml:"query"`
	File   string `yaml:"file"`
}

// OAuth2 is a token by client credentials (RFC 6749, section 4.4).
type OAuth2 struct {
	// Grant is client_credentials, the only one.
	Grant            string `yaml:"grant"`
	TokenURL         string `yaml:"token_url"`
	ClientID         string `yaml:"client_id"`
	ClientSecretFile string `yaml:"client_secret_file"`
	// Client says where id and secret stand: header or body.
	Client     string            `yaml:"client"`
	Scope      string            `yaml:"scope"`
	Parameters map[string]string `yaml:"parameters"`
}

// Rate limits requests.
type Rate struct {
	PerSecond float64 `yaml:"per_second"`
}

const maxAnswer = 64 << 20

// faultClass says what kind of trouble a target has, and so who is to do something about it.
type faultClass int

const (
	faultOther  faultClass = iota
	faultAway              // it cannot be reached
	faultBusy              // it has too much to do, or took too long
	faultRights            // it refuses who asks
	faultSchema            // its answer is not as the configuration says
)

// targetFault is what went wrong, and at what. again: not before then.
type targetFault struct {
	class faultClass
	what  string
	err   error
	again time.Duration
	// unsent: nothing can have come of it.
	unsent bool
}

func (f *targetFault) Error() string { return f.what + ": " + f.err.Error() }
func (f *targetFault) Unwrap() error { return f.err }

// target is a Target that has been checked.
type target struct {
	Target
	base   *url.URL
	client *http.Client

	mu      sync.Mutex
	token   string
	expires time.Time
	next    time.Time
}

func (l *loader) target(key string, t Target) *target {
	out := &target{Target: t}
	defaults(&out.Timeout, 30*time.Second)
	l.within(key+".timeout", out.Timeout, 100*time.Millisecond, 10*time.Minute)
	base, err := url.Parse(strings.TrimSuffix(t.URL, "/"))
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.RawQuery != "" || base.User != nil {
		l.fault(key+".url", "%q is no address such as https://wms.example/api; user and password belong under auth", t.URL)
		return out
	}
	out.base = base
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		raw, err := os.ReadFile(t.CA)
		secure.RootCAs = x509.NewCertPool()
		if err != nil || !secure.RootCAs.AppendCertsFromPEM(raw) {
			l.fault(key+".ca", "%s cannot be read, or holds no certificate in PEM", t.CA)
		}
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: secure, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true}
	out.client = &http.Client{Transport: transport, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if r.URL.Host != via[0].URL.Host || len(via) > 5 {
			return errors.New("it sends elsewhere, where nobody is told who asks; set url to the address where it is")
		}
		return nil
	}}
	if t.Rate.PerSecond < 0 {
		l.fault(key+".rate.per_second", "is below zero")
	}
	l.checkAuth(key+".auth", t.Auth)
	return out
}

func (l *loader) checkAuth(key string, a Auth) {
	ways := 0
	file := func(at, path string) {
		if _, err := secret(path); err != nil {
			l.fault(key+"."+at, "%v", err)
		}
	}
	if a.User != "" || a.PasswordFile != "" {
		ways++
		file("password_file", a.PasswordFile)
	}
	if a.BearerFile != "" {
		ways++
		file("bearer_file", a.BearerFile)
	}
	if k := a.APIKey; k != nil {
		ways++
		if (k.Header == "") == (k.Query == "") {
			l.fault(key+".api_key", "name either the header or the query parameter that takes the key")
		}
		file("api_key.file", k.File)
	}
	if o := a.OAuth2; o != nil {
		ways++
		if o.Grant != "" && o.Grant != "client_credentials" {
			l.fault(key+".oauth2.grant", "%q is not known; client_credentials is", o.Grant)
		}
		if o.Client != "" && o.Client != "header" && o.Client != "body" {
			l.fault(key+".oauth2.client", "%q: write header or body: where id and secret of the client stand", o.Client)
		}
		if u, err := url.Parse(o.TokenURL); err != nil || u.Host == "" {
			l.fault(key+".oauth2.token_url", "%q is no address such as https://login.example/oauth2/token", o.TokenURL)
		}
		file("oauth2.client_secret_file", o.ClientSecretFile)
	}
	if ways > 1 {
		l.fault(key, "several ways are given; leave one of user, bearer_file, api_key and oauth2")
	}
}

// reply is what came back: body is decoded JSON, or the text where it is none.
type reply struct {
	status  int
	headers http.Header
	body    any
	isJSON  bool
}

// read are the variables of what reads an answer.
func (a *reply) read() values {
	headers := map[string]string{}
	for name := range a.headers {
		headers[strings.ToLower(name)] = strings.Join(a.headers.Values(name), ", ")
	}
	return values{"body": a.body, "headers": headers, "status": int64(a.status)}
}

// do sends a request and gives its answer, if that is a success or one of also. A token that is over is exchanged once.
func (t *target) do(ctx context.Context, r *call, v values, extra http.Header, also ...int) (*reply, error) {
	for attempt := 0; ; attempt++ {
		req, err := r.build(ctx, t, v)
		if err != nil {
			return nil, err
		}
		for name := range extra {
			req.Header.Set(name, extra.Get(name))
		}
		if err := t.prove(ctx, req, attempt > 0); err != nil {
			return nil, err
		}
		got, err := t.exchange(ctx, req, r.where)
		if err != nil {
			return nil, err
		}
		if got.status == http.StatusUnauthorized && t.Auth.OAuth2 != nil && attempt == 0 {
			continue // what is refused at the door had no effect
		}
		if got.status/100 == 2 || slices.Contains(also, got.status) {
			return got, nil
		}
		return got, t.classify(r.where, got)
	}
}

// exchange sends one request.
func (t *target) exchange(ctx context.Context, req *http.Request, what string) (*reply, error) {
	if err := t.pace(ctx); err != nil {
		return nil, &targetFault{class: faultBusy, what: what, err: err, unsent: true}
	}
	ctx, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	resp, err := t.client.Do(req.WithContext(ctx))
	if err != nil {
		return nil, away(what, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, away(what, fmt.Errorf("the answer broke off: %w", err))
	}
	if len(raw) > maxAnswer {
		return nil, &targetFault{class: faultSchema, what: what, err: fmt.Errorf("the answer has more than %d MiB; ask for less at a time", maxAnswer>>20)}
	}
	got := &reply{status: resp.StatusCode, headers: resp.Header}
	got.body, err = decodeAnswer(raw)
	if got.isJSON = err == nil; !got.isJSON {
		got.body = strings.ToValidUTF8(string(raw[:min(len(raw), 2000)]), "\uFFFD")
	}
	return got, nil
}

// away is a request without an answer. The address may bear a secret: it is left out.
func away(what string, err error) error {
	f := &targetFault{class: faultAway, what: what, err: err}
	var whole *url.Error
	if errors.As(err, &whole) {
		f.err = whole.Err
		if whole.Timeout() {
			f.class, f.err = faultBusy, errors.New("it did not answer in time")
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		f.class = faultBusy
	}
	return f
}

// pace keeps to the rate.
func (t *target) pace(ctx context.Context) error {
	if t.Rate.PerSecond == 0 {
		return nil
	}
	t.mu.Lock()
	now := time.Now()
	at := t.next
	if at.Before(now) {
		at = now
	}
	t.next = at.Add(time.Duration(float64(time.Second) / t.Rate.PerSecond))
	t.mu.Unlock()
	select {
	case <-time.After(at.Sub(now)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// classify says what an answer that is no success means.
func (t *target) classify(what string, got *reply) error {
	f := &targetFault{class: faultOther, what: what, err: fmt.Errorf("status %d: %s", got.status, said(got))}
	switch {
	case got.status == http.StatusUnauthorized || got.status == http.StatusForbidden:
		f.class = faultRights
	case got.status == http.StatusTooManyRequests, got.status == http.StatusServiceUnavailable, got.status == http.StatusRequestTimeout, got.status == http.StatusGatewayTimeout, got.status == http.StatusBadGateway:
		f.class, f.again = faultBusy, retryAfter(got.headers.Get("Retry-After"), time.Now())
	case got.status == http.StatusNotFound || got.status == http.StatusGone || got.status == http.StatusMethodNotAllowed || got.status == http.StatusBadRequest:
		f.class = faultSchema
	}
	return f
}

// said is what an answer says, for people.
func said(got *reply) string {
	text := cell(got.body)
	if o, ok := got.body.(map[string]any); ok {
		for _, name := range []string{"detail", "message", "error_description", "title", "error"} {
			if s, ok := o[name].(string); ok && s != "" {
				text = s
				break
			}
		}
	}
	text = strings.Join(strings.Fields(text), " ")
	if text == "" {
		text = http.StatusText(got.status)
	}
	return cut(text, 300)
}

func cut(s string, n int) string {
	if runes := []rune(s); len(runes) > n {
		return string(runes[:n-3]) + "..."
	}
	return s
}

// mostAfter is the longest that a target may ask to be left alone.
const mostAfter = time.Hour

// retryAfter reads seconds or a date.
func retryAfter(header string, now time.Time) time.Duration {
	if header == "" {
		return 0
	}
	if n, err := strconv.Atoi(strings.TrimSpace(header)); err == nil && n >= 0 {
		return min(time.Duration(min(n, 1<<20))*time.Second, mostAfter)
	}
	if at, err := http.ParseTime(header); err == nil {
		return min(max(at.Sub(now), 0), mostAfter)
	}
	return 0
}

// prove puts to a request who asks.
func (t *target) prove(ctx context.Context, req *http.Request, anew bool) error {
	a := t.Auth
	rights := func(err error) error {
		if err == nil {
			return nil
		}
		return &targetFault{class: faultRights, what: "auth", err: err, unsent: true}
	}
	switch {
	case a.User != "":
		password, err := secret(a.PasswordFile)
		req.SetBasicAuth(a.User, password)
		return rights(err)
	case a.BearerFile != "":
		token, err := secret(a.BearerFile)
		req.Header.Set("Authorization", "Bearer "+token)
		return rights(err)
	case a.APIKey != nil:
		key, err := secret(a.APIKey.File)
		if a.APIKey.Header != "" {
			req.Header.Set(a.APIKey.Header, key)
		} else {
			q := req.URL.Query()
			q.Set(a.APIKey.Query, key)
			req.URL.RawQuery = q.Encode()
		}
		return rights(err)
	case a.OAuth2 != nil:
		token, err := t.bearer(ctx, anew)
		req.Header.Set("Authorization", "Bearer "+token)
		return err
	}
	return nil
}

// bearer is a token that is in force.
func (t *target) bearer(ctx context.Context, anew bool) (string, error) {
	t.mu.Lock()
	token, expires := t.token, t.expires
	t.mu.Unlock()
	if token != "" && !anew && time.Now().Before(expires) {
		return token, nil
	}
	o := t.Auth.OAuth2
	unsent := func(class faultClass, err error) error {
		return &targetFault{class: class, what: "auth.oauth2", err: err, unsent: true}
	}
	password, err := secret(o.ClientSecretFile)
	if err != nil {
		return "", unsent(faultRights, err)
	}
	form := url.Values{"grant_type": {"client_credentials"}}
	if o.Scope != "" {
		form.Set("scope", o.Scope)
	}
	for name, value := range o.Parameters {
		form.Set(name, value)
	}
	if o.Client == "body" {
		form.Set("client_id", o.ClientID)
		form.Set("client_secret", password)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", unsent(faultOther, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if o.Client != "body" {
		req.SetBasicAuth(url.QueryEscape(o.ClientID), url.QueryEscape(password))
	}
	got, err := t.exchange(ctx, req, "auth.oauth2.token_url")
	var f *targetFault
	if errors.As(err, &f) {
		f.unsent = true
	}
	if err != nil {
		return "", err
	}
	o2, _ := got.body.(map[string]any)
	token, _ = o2["access_token"].(string)
	if got.status/100 != 2 || token == "" {
		text := said(got)
		if got.status/100 == 2 {
			text = "no access_token in the answer"
		}
		return "", unsent(faultRights, fmt.Errorf("status %d: %s", got.status, text))
	}
	lasts := time.Hour
	if n, ok := o2["expires_in"].(int64); ok {
		lasts = time.Duration(n) * time.Second
	}
	t.mu.Lock()
	t.token, t.expires = token, time.Now().Add(lasts-min(lasts/10, 30*time.Second))
	t.mu.Unlock()
	return token, nil
}

// Request is one HTTP request: Path is a CEL string, Query, Headers and Form are CEL maps of strings, Body is a CEL map.
type Request struct {
	Method  string `yaml:"method"`
	Path    string `yaml:"path"`
	Query   string `yaml:"query"`
	Headers string `yaml:"headers"`
	Body    string `yaml:"body"`
	Form    string `yaml:"form"`
}

// call is a Request that has been compiled.
type call struct {
	method, where                    string
	path, query, headers, body, form *expression
}

func (l *loader) call(key string, r Request, vars variables, otherwise string) *call {
	defaults(&r.Method, otherwise)
	if !slices.Contains([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, r.Method) {
		l.fault(key+".method", "%q is no method; write GET, POST, PUT, PATCH or DELETE", r.Method)
	}
	return &call{method: r.Method, where: key, path: l.required(key+".path", r.Path, stringType, vars), query: l.expression(key+".query", r.Query, textMap, vars),
		headers: l.expression(key+".headers", r.Headers, textMap, vars), body: l.expression(key+".body", r.Body, dynType, vars), form: l.expression(key+".form", r.Form, textMap, vars)}
}

func (r *call) build(ctx context.Context, t *target, v values) (*http.Request, error) {
	path, err := r.path.string(ctx, v)
	if err != nil {
		return nil, err
	}
	query, err := r.query.strings(ctx, v)
	if err != nil {
		return nil, err
	}
	headers, err := r.headers.strings(ctx, v)
	if err != nil {
		return nil, err
	}
	address, err := t.address(r, path)
	if err != nil {
		return nil, err
	}
	if len(query) > 0 {
		q := address.Query()
		for name, value := range query {
			q.Set(name, value)
		}
		address.RawQuery = q.Encode()
	}
	var body io.Reader
	kind := ""
	switch {
	case r.form != nil:
		fields, err := r.form.strings(ctx, v)
		if err != nil {
			return nil, err
		}
		encoded := url.Values{}
		for name, value := range fields {
			encoded.Set(name, value)
		}
		body, kind = strings.NewReader(encoded.Encode()), "application/x-www-form-urlencoded"
	case r.body != nil:
		raw, err := r.body.json(ctx, v)
		if err != nil {
			return nil, err
		}
		body, kind = bytes.NewReader(raw), "application/json"
	}
	req, err := http.NewRequestWithContext(ctx, r.method, address.String(), body)
	if err != nil {
		return nil, r.path.fault(err)
	}
	if r.method != http.MethodGet {
		// Go sends a request with an Idempotency-Key once more by itself when its connection goes away. Whether the system heeds the key is not for it to
		// know: it is looked for first. A body that cannot be had again keeps it from that.
		if req.GetBody = nil; req.Body == nil {
			req.Body = io.NopCloser(strings.NewReader(""))
		}
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "dockline")
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	return req, nil
}

// address is a path below the target's url, or a whole address of the same server, as links in answers are.
func (t *target) address(r *call, path string) (*url.URL, error) {
	if strings.HasPrefix(path, "http://") || strings.HasPrefix(path, "https://") {
		u, err := url.Parse(path)
		if err != nil || u.Scheme != t.base.Scheme || u.Host != t.base.Host {
			return nil, &targetFault{class: faultSchema, what: r.where, unsent: true,
				err: errors.New("the system names an address of another server, and nobody is told there who asks; set url to the address by which it names itself")}
		}
		return u, nil
	}
	if !strings.HasPrefix(path, "/") && path != "" {
		return nil, &targetFault{class: faultSchema, what: r.where, err: fmt.Errorf("%q is no path: it begins with /", cut(path, 80)), unsent: true}
	}
	u, err := url.Parse(t.base.String() + path)
	if err != nil {
		return nil, r.path.fault(err)
	}
	return u, nil
}
