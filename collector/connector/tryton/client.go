package tryton

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	nethttp "net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/dockline/dockline/collector/connector"
)

const (
	// maxAnswer is the largest answer that is read.
	maxAnswer = 64 << 20
	// maxQuestions is how many warnings of one call are accepted: the goods have moved, whatever Tryton thinks of it.
	maxQuestions = 5
)

// session is one log-in. Tryton keeps it for a month, over its own restarts too.
type session struct {
	authorization string
	user          int64
	context       map[string]any
}

// client speaks Tryton's JSON-RPC. It keeps its session and logs in again when that has ended.
type client struct {
	settings Settings
	http     *nethttp.Client

	mu      sync.Mutex
	session *session
	// loggingIn lets one call log in at a time: every failure makes the next one slower.
	loggingIn sync.Mutex
}

func newClient(s Settings) *client {
	transport := nethttp.DefaultTransport.(*nethttp.Transport).Clone()
	transport.DisableKeepAlives = true // trytond closes the connection after each answer
	return &client{settings: s, http: &nethttp.Client{Transport: transport,
		CheckRedirect: func(*nethttp.Request, []*nethttp.Request) error { return nethttp.ErrUseLastResponse }}}
}

var readMethods = []string{"search", "read", "search_read", "search_count", "get_preferences", "fields_get", "version", "login"}

// writes says whether a method may have an effect.
func writes(method string) bool {
	return !slices.Contains(readMethods, method[strings.LastIndexByte(method, '.')+1:])
}

// call calls a method. The context is appended to the parameters; extra goes into it. Every error is a *connector.Fault.
func (c *client) call(ctx context.Context, method string, extra map[string]any, params ...any) (any, error) {
	for range maxQuestions {
		result, question, err := c.ask(ctx, method, extra, params)
		if question == "" {
			return result, err
		}
		s, err := c.current(ctx)
		if err != nil {
			return nil, err
		}
		if _, _, err := c.ask(ctx, "model.res.user.warning.create", nil,
			[]any{[]any{map[string]any{"user": s.user, "name": question, "always": false}}}); err != nil {
			return nil, err
		}
	}
	return nil, processFault("question", "look at the record in Tryton", "Tryton asks the same question again and again at %s", method)
}

// ask makes one call, with a new session where the old one has ended. question is the name of a warning to be accepted.
func (c *client) ask(ctx context.Context, method string, extra map[string]any, params []any) (result any, question string, err error) {
	for again := false; ; again = true {
		s, err := c.current(ctx)
		if err != nil {
			return nil, "", err
		}
		about := maps.Clone(s.context)
		maps.Copy(about, extra)
		status, header, body, err := c.post(ctx, method, s.authorization, append(slices.Clone(params), about))
		if err != nil {
			return nil, "", err
		}
		if status == nethttp.StatusUnauthorized && !again {
			c.forget(s)
			continue
		}
		if status != nethttp.StatusOK {
			return nil, "", statusFault(method, status, header)
		}
		return answer(method, body)
	}
}

// answer opens an answer of status 200.
func answer(method string, body []byte) (result any, question string, err error) {
	v, err := decodeJSON(body)
	envelope, ok := v.(map[string]any)
	if err != nil || !ok {
		f := technical("bad_answer", method+" was answered with something else than JSON-RPC", "check the connector's url", err)
		f.Unknown = writes(method)
		return nil, "", f
	}
	if fault, bad := envelope["error"]; bad && fault != nil {
		if list, ok := fault.([]any); ok && len(list) > 1 && list[0] == "UserWarning" {
			if about, ok := list[1].([]any); ok && len(about) > 0 {
				return nil, fmt.Sprint(about[0]), nil
			}
		}
		return nil, "", errorFault(method, fault)
	}
	return envelope["result"], "", nil
}

func (c *client) forget(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session == s {
		c.session = nil
	}
}

func (c *client) held() *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

func (c *client) current(ctx context.Context) (*session, error) {
	if s := c.held(); s != nil {
		return s, nil
	}
	c.loggingIn.Lock()
	defer c.loggingIn.Unlock()
	if s := c.held(); s != nil {
		return s, nil
	}
	s, err := c.login(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = s
	return s, nil
}

func (c *client) login(ctx context.Context) (*session, error) {
	password, err := c.settings.password()
	if err != nil {
		return nil, err
	}
	result, err := c.plain(ctx, methodLogin, "", c.settings.Login, map[string]any{"password": password})
	if err != nil {
		return nil, err
	}
	pair, ok := result.([]any)
	if !ok || len(pair) != 2 {
		return nil, technical("not_authorised", "Tryton does not accept the log-in", "check login and password of the connector", nil)
	}
	s := &session{user: integer(pair[0])}
	s.authorization = "Session " + base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s:%d:%v", c.settings.Login, s.user, pair[1]))
	preferences, err := c.plain(ctx, "model.res.user.get_preferences", s.authorization, true, map[string]any{})
	if err != nil {
		return nil, err
	}
	about, _ := preferences.(map[string]any)
	if about["company"] == nil {
		return nil, technical("no_company", "the user "+c.settings.Login+" has no company in Tryton", "give the user a company and an employee", nil)
	}
	s.context = map[string]any{"company": about["company"], "employee": about["employee"]}
	return s, nil
}

// plain makes a call that needs no context of the session.
func (c *client) plain(ctx context.Context, method, authorization string, params ...any) (any, error) {
	status, header, body, err := c.post(ctx, method, authorization, params)
	if err != nil {
		return nil, err
	}
	if status != nethttp.StatusOK {
		return nil, statusFault(method, status, header)
	}
	result, _, err := answer(method, body)
	return result, err
}

// version asks the server, not the database, which answers nobody without a log-in.
func (c *client) version(ctx context.Context) (any, error) {
	above := strings.TrimRight(c.settings.URL, "/")
	server := &client{settings: c.settings, http: c.http}
	server.settings.URL = above[:strings.LastIndexByte(above, '/')+1]
	return server.plain(ctx, "common.server.version", "")
}

// post sends one request. Its outcome is unknown from the moment at which it has a connection.
func (c *client) post(ctx context.Context, method, authorization string, params []any) (int, nethttp.Header, []byte, error) {
	if params == nil {
		params = []any{} // null is no list
	}
	text, err := json.Marshal(map[string]any{"id": 1, "method": method, "params": params})
	if err != nil {
		return 0, nil, nil, technical("protocol", "the call "+method+" cannot be written", "report it", err)
	}
	if err := connector.Pace(ctx); err != nil {
		return 0, nil, nil, err
	}
	var reached atomic.Bool
	ctx, cancel := context.WithTimeout(ctx, c.settings.Timeout)
	defer cancel()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { reached.Store(true) }})
	fail := func(err error) (int, nethttp.Header, []byte, error) {
		f := technical("connection", method+" had no answer", "see whether trytond runs and can be reached", err)
		if errors.Is(err, context.DeadlineExceeded) {
			f.Code, f.Text = "timeout", method+" had no answer in time"
		}
		f.Unknown = writes(method) && reached.Load()
		return 0, nil, nil, f
	}
	req, err := nethttp.NewRequestWithContext(ctx, nethttp.MethodPost, c.settings.URL, bytes.NewReader(text))
	if err != nil {
		return fail(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "dockline-collector")
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	show := shown(ctx, method, req, text)
	resp, body, err := c.exchange(req)
	show(resp, body, err)
	if err != nil {
		return fail(err)
	}
	return resp.StatusCode, resp.Header, body, nil
}

func (c *client) exchange(req *nethttp.Request) (*nethttp.Response, []byte, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = errors.New("the answer is larger than 64 MiB")
	}
	return resp, body, err
}

// searchRead returns the records that match a domain, by id.
func (c *client) searchRead(ctx context.Context, model string, extra map[string]any, domain []any, limit int, fields ...string) ([]row, error) {
	var most any
	if limit > 0 {
		most = limit
	}
	result, err := c.call(ctx, "model."+model+".search_read", extra, domain, 0, most, []any{[]any{"id", "ASC"}}, fields)
	return rows(result), err
}

// read returns the records with these ids, in no order.
func (c *client) read(ctx context.Context, model string, extra map[string]any, ids []int64, fields ...string) ([]row, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	result, err := c.call(ctx, "model."+model+".read", extra, ids, fields)
	return rows(result), err
}

// button presses a button of one record. Tryton ignores one that does not fit the record's state: read it back.
func (c *client) button(ctx context.Context, model, name string, id int64) error {
	_, err := c.call(ctx, "model."+model+"."+name, nil, []int64{id})
	return err
}

// write writes one record; stamp, where given, is the _timestamp at which it was read.
func (c *client) write(ctx context.Context, model string, id int64, stamp string, values map[string]any) error {
	var extra map[string]any
	if stamp != "" {
		extra = map[string]any{"_timestamp": map[string]string{reference(model, id): stamp}}
	}
	_, err := c.call(ctx, "model."+model+".write", extra, []int64{id}, values)
	return err
}

func rows(v any) []row {
	list, _ := v.([]any)
	out := make([]row, 0, len(list))
	for _, item := range list {
		if m, ok := item.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}
