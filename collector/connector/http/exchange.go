package http

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// maxAnswer is the largest answer that is read.
const maxAnswer = 64 << 20

// request is one compiled HTTP request of a definition.
type request struct {
	method                     string
	path, query, headers, body *expression
}

// writes says whether the request may have an effect.
func (r *request) writes() bool { return r.method != nethttp.MethodGet }

// answer is what came back: body is decoded JSON, or the text where it is none.
type answer struct {
	status  int
	headers nethttp.Header
	body    any
	isJSON  bool
}

func (a *answer) vars(method string) values {
	headers := map[string]string{}
	for name := range a.headers {
		headers[strings.ToLower(name)] = a.headers.Get(name)
	}
	return values{"status": int64(a.status), "body": a.body, "headers": headers, "method": method}
}

// do sends a request and returns a successful answer, or one whose status is in also. Every error is a *connector.Fault.
func (c *Connector) do(ctx context.Context, r *request, v values, traceparent string, also ...int) (*answer, error) {
	if err := c.limiter.wait(ctx); err != nil {
		return nil, technical("cancelled", "the request was not sent", "it will be tried again", err)
	}
	if err := connector.Pace(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := c.build(ctx, r, v)
	if err != nil {
		return nil, err
	}
	if traceparent != "" {
		req.Header.Set("Traceparent", traceparent)
	}
	// From the moment that the request has a connection it may be heard: only then is the outcome of a failure unknown.
	var reached atomic.Bool
	req = req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { reached.Store(true) }}))
	// A process that was stopped and goes on may get here before its timers have told it that its time is over, and the posting another's.
	if end, ok := ctx.Deadline(); ok && !time.Now().Before(end) {
		return nil, technical("timeout", "the request was not sent: its time is over", "it will be tried again", context.DeadlineExceeded)
	}
	got, err := c.exchange(req)
	if err != nil {
		return nil, c.transportFault(req, err, r.writes() && reached.Load())
	}
	if slices.Contains(also, got.status) {
		return got, nil
	}
	if got.status/100 != 2 {
		return nil, c.classify(ctx, r, got)
	}
	if !got.isJSON && !r.writes() {
		return nil, technical("bad_answer", fmt.Sprintf("%s %s answered something that is not JSON", req.Method, req.URL.Path), "check the connector's url", nil)
	}
	return got, nil
}

func (c *Connector) build(ctx context.Context, r *request, v values) (*nethttp.Request, error) {
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
	address := c.base + path
	if len(query) > 0 {
		parameters := url.Values{}
		for name, value := range query {
			parameters.Set(name, value)
		}
		address += "?" + parameters.Encode()
	}
	var body io.Reader
	if r.body != nil {
		encoded, err := r.body.json(ctx, v)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(encoded)
	}
	req, err := nethttp.NewRequestWithContext(ctx, r.method, address, body)
	if err != nil {
		return nil, r.path.mapping(err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "dockline-collector")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	return req, c.authorise(req)
}

func (c *Connector) authorise(req *nethttp.Request) error {
	secret := func(path string) (string, error) {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", technical("credentials", "the secret cannot be read", "make the file readable for the collector", err)
		}
		return strings.TrimSpace(string(text)), nil
	}
	switch {
	case c.auth.BearerFile != "":
		token, err := secret(c.auth.BearerFile)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	case c.auth.User != "":
		password, err := secret(c.auth.PasswordFile)
		if err != nil {
			return err
		}
		req.SetBasicAuth(c.auth.User, password)
	}
	return nil
}

func (c *Connector) exchange(req *nethttp.Request) (*answer, error) {
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxAnswer {
		return nil, errors.New("the answer is larger than 64 MiB")
	}
	got := &answer{status: resp.StatusCode, headers: resp.Header}
	got.body, err = decode(text)
	if got.isJSON = err == nil; !got.isJSON {
		got.body = string(text[:min(len(text), 2000)])
	}
	return got, nil
}

// decode reads JSON; a number without a fraction is an int64 where it fits, so that ids keep every digit.
func decode(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	return plain(v), nil
}

func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
		return v.String()
	case map[string]any:
		for name, value := range v {
			v[name] = plain(value)
		}
	case []any:
		for i, value := range v {
			v[i] = plain(value)
		}
	}
	return v
}

func technical(code, text, remedy string, err error) *connector.Fault {
	return &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: code, Text: text, Remedy: remedy, Err: err}
}
