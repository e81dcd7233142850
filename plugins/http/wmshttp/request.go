package wmshttp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

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
