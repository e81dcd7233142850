package http

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	nethttp "net/http"
	"net/http/httptrace"
	"net/url"
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
	method                           string
	path, query, headers, body, form *expression
	// effect: it may change something in the system. A search by POST does not.
	effect bool
	pages  *pages
}

// writes says whether the request may have an effect.
func (r *request) writes() bool { return r.effect }

// answer is what came back: body is decoded JSON, or the text where it is none.
type answer struct {
	status  int
	headers nethttp.Header
	body    any
	isJSON  bool
	text    string
	// url and cookies are for the session.
	url     *url.URL
	cookies []*nethttp.Cookie
}

func (a *answer) vars(method string) values {
	return a.read().with(values{"status": int64(a.status), "method": method})
}

// read are the variables of what reads an answer.
func (a *answer) read() values {
	headers := map[string]string{}
	for name := range a.headers {
		headers[strings.ToLower(name)] = strings.Join(a.headers.Values(name), ", ")
	}
	return values{"body": a.body, "headers": headers}
}

// do sends a request and returns a successful answer, or one whose status is in also. A token or session that is over is exchanged once. Every
// error is a *connector.Fault without secrets.
func (c *Connector) do(ctx context.Context, r *request, v values, traceparent string, also ...int) (*answer, error) {
	var refused *session
	for {
		s, err := c.session(ctx, refused)
		if err != nil {
			return nil, err
		}
		got, err := c.transmit(ctx, "", func(ctx context.Context) (*nethttp.Request, error) { return c.build(ctx, r, v, s, traceparent) }, r.writes())
		if err != nil {
			return nil, c.hidden.fault(err)
		}
		c.takeCookies(s, got)
		if s != nil && refused == nil && c.over(ctx, r, got) {
			refused = s // what is refused at the door had no effect
			continue
		}
		got, err = c.judge(ctx, r, got, also)
		return got, c.hidden.fault(err)
	}
}

// judge is an answer that is a success, or the fault that it means.
func (c *Connector) judge(ctx context.Context, r *request, got *answer, also []int) (*answer, error) {
	if slices.Contains(also, got.status) {
		return got, nil
	}
	if got.status/100 != 2 || c.failed(ctx, r, got) {
		return nil, c.classify(ctx, r, got)
	}
	if !got.isJSON && !r.writes() {
		return nil, technical("bad_answer", "the system answers something that is not JSON", "check the connector's url", nil)
	}
	return got, nil
}

// transmit sends one request, within the limits, and returns whatever is answered. Purpose names one that is not of the definition's own; such
// a one shows no body.
func (c *Connector) transmit(ctx context.Context, purpose string, build func(context.Context) (*nethttp.Request, error), writes ...bool) (*answer, error) {
	if err := c.limiter.wait(ctx); err != nil {
		return nil, unsent("cancelled", "the request was not sent", err)
	}
	if err := connector.Pace(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := build(ctx)
	if err != nil {
		return nil, err
	}
	// From the moment that the request has a connection it may be heard: only then is the outcome of a failure unknown.
	var reached atomic.Bool
	req = req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { reached.Store(true) }}))
	// A process that was stopped and goes on may get here before its timers have told it that its time is over, and the posting another's.
	if end, ok := ctx.Deadline(); ok && !time.Now().Before(end) {
		return nil, unsent("timeout", "the request was not sent: its time is over", context.DeadlineExceeded)
	}
	show := c.shown(ctx, purpose, req)
	got, err := c.exchange(req)
	show(got, err)
	if err != nil {
		return nil, c.transportFault(req, err, len(writes) > 0 && writes[0] && reached.Load())
	}
	return got, nil
}

func (c *Connector) build(ctx context.Context, r *request, v values, s *session, traceparent string) (*nethttp.Request, error) {
	req, body, err := c.buildUnsigned(ctx, r, v, s)
	if err != nil {
		return nil, err
	}
	if traceparent != "" {
		req.Header.Set("Traceparent", traceparent)
	}
	return req, c.sign(ctx, req, string(body), s)
}

// buildStep is a request of the login, which signs by itself what it must.
func (c *Connector) buildStep(ctx context.Context, r *request, v values, s *session) (*nethttp.Request, error) {
	req, _, err := c.buildUnsigned(ctx, r, v, s)
	return req, err
}

func (c *Connector) buildUnsigned(ctx context.Context, r *request, v values, s *session) (*nethttp.Request, content, error) {
	v = v.with(values{"session": valuesOf(s)})
	address, err := c.address(ctx, r, v)
	if err != nil {
		return nil, nil, err
	}
	headers, err := r.headers.strings(ctx, v)
	if err != nil {
		return nil, nil, err
	}
	body, kind, err := r.content(ctx, v)
	if err != nil {
		return nil, nil, err
	}
	req, err := nethttp.NewRequestWithContext(ctx, r.method, address, body.reader())
	if err != nil {
		return nil, nil, r.path.mapping(err)
	}
	usual(req, kind)
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	return req, body, c.prove(req, s)
}

// address is where a request goes: a path below the connector's url, or a whole address below it, as links in answers are.
func (c *Connector) address(ctx context.Context, r *request, v values) (string, error) {
	path, err := r.path.string(ctx, v)
	if err != nil {
		return "", err
	}
	query, err := r.query.strings(ctx, v)
	if err != nil {
		return "", err
	}
	address := c.base + path
	if strings.HasPrefix(path, "http://") || strings.HasPrefix(path, "https://") {
		if !strings.HasPrefix(path, c.base+"/") && !strings.HasPrefix(path, c.base+"?") {
			return "", technical("bad_link", r.path.where+": the system names an address that is not below the connector's url, and nobody is told there who asks",
				"set the connector's url to the address by which the system names itself", nil)
		}
		address = path
	}
	if len(query) == 0 {
		return address, nil
	}
	parameters := url.Values{}
	for name, value := range query {
		parameters.Set(name, value)
	}
	between := "?"
	if strings.Contains(address, "?") {
		between = "&"
	}
	return address + between + parameters.Encode(), nil
}

const (
	jsonType = "application/json"
	formType = "application/x-www-form-urlencoded"
)

// content is the body of a request and its media type; nil is none.
func (r *request) content(ctx context.Context, v values) (content, string, error) {
	switch {
	case r.form != nil:
		fields, err := r.form.strings(ctx, v)
		if err != nil {
			return nil, "", err
		}
		encoded := url.Values{}
		for name, value := range fields {
			encoded.Set(name, value)
		}
		return content(encoded.Encode()), formType, nil
	case r.body != nil:
		encoded, err := r.body.json(ctx, v)
		return encoded, jsonType, err
	}
	return nil, "", nil
}

type content []byte

func (b content) reader() io.Reader {
	if b == nil {
		return nil
	}
	return bytes.NewReader(b)
}

// usual are the headers of every request.
func usual(req *nethttp.Request, kind string) {
	req.Header.Set("Accept", jsonType)
	req.Header.Set("User-Agent", "dockline-collector")
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
}

// shown shows a request, and by what it returns its answer, to who traces the call.
func (c *Connector) shown(ctx context.Context, purpose string, req *nethttp.Request) func(*answer, error) {
	trace := connector.Tracer(ctx)
	if trace == nil {
		return func(*answer, error) {}
	}
	ex := connector.Exchange{Purpose: purpose, Method: req.Method, URL: c.hidden.url(*req.URL), Headers: c.hidden.headers(req.Header)}
	if req.GetBody != nil {
		if body, err := req.GetBody(); err == nil {
			text, _ := io.ReadAll(body)
			ex.Body = c.hidden.text(string(text))
		}
	}
	began := time.Now()
	return func(got *answer, err error) {
		ex.Took = time.Since(began)
		if err != nil {
			ex.Error = c.hidden.text(err.Error())
		} else {
			ex.Status, ex.AnswerHeaders, ex.Answer = got.status, c.hidden.headers(got.headers), c.hidden.text(got.text)
		}
		if purpose != "" { // what is not known to be secret yet: tokens, challenges
			ex.Body, ex.Answer = concealed(ex.Body), concealed(ex.Answer)
		}
		trace(ex)
	}
}

func concealed(text string) string {
	if text == "" {
		return ""
	}
	return hiddenText
}

func (c *Connector) exchange(req *nethttp.Request) (*answer, error) {
	// Go sends a request that bears an Idempotency-Key once more by itself when a connection that it had used before goes away. Whether the system
	// heeds the key is not for Go to know: a posting is looked for first. A body that cannot be had again keeps it from that.
	if req.Method != nethttp.MethodGet && req.Method != nethttp.MethodHead {
		if req.GetBody = nil; req.Body == nil || req.Body == nethttp.NoBody {
			req.Body = io.NopCloser(strings.NewReader(""))
		}
	}
	resp, err := c.client.Do(req)
	if err != nil {
		if whole, ok := errors.AsType[*url.Error](err); ok && !whole.Timeout() {
			err = whole.Err // without the address, which may bear a session
		} else if ok {
			err = hiddenError{whole.Op + ": " + whole.Err.Error(), err}
		}
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
	got := &answer{status: resp.StatusCode, headers: resp.Header, url: req.URL, cookies: resp.Cookies(), text: string(text)}
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

// unsent is a fault of ours: the system was not asked.
func unsent(code, text string, err error) *connector.Fault {
	return &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: code, Text: text, Remedy: "it will be tried again", Unasked: true, Err: err}
}

func technical(code, text, remedy string, err error) *connector.Fault {
	return &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: code, Text: text, Remedy: remedy, Err: err}
}
