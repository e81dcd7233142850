package wmshttp

import (
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
