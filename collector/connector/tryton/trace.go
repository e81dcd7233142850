package tryton

import (
	"context"
	nethttp "net/http"
	"time"

	"github.com/dockline/dockline/collector/connector"
)

const (
	methodLogin = "common.db.login"
	hiddenText  = "(hidden)"
)

// shown shows a request, and by what it returns its answer, to who traces the call. The session's key is in the header of every request and in the answer to
// the log-in, whose request has the password: these are never shown.
func shown(ctx context.Context, method string, req *nethttp.Request, text []byte) func(*nethttp.Response, []byte, error) {
	trace := connector.Tracer(ctx)
	if trace == nil {
		return func(*nethttp.Response, []byte, error) {}
	}
	ex := connector.Exchange{Method: req.Method, URL: req.URL.Redacted(), Headers: headersOf(req.Header), Body: string(text)}
	if method == methodLogin {
		ex.Purpose, ex.Body = "login", hiddenText
	}
	began := time.Now()
	return func(resp *nethttp.Response, body []byte, err error) {
		ex.Took = time.Since(began)
		if resp != nil {
			ex.Status, ex.AnswerHeaders, ex.Answer = resp.StatusCode, headersOf(resp.Header), string(body)
		}
		if err != nil {
			ex.Error = err.Error()
		}
		if method == methodLogin {
			ex.Answer = hiddenText
		}
		trace(ex)
	}
}

// headersOf are headers as they are shown.
func headersOf(h nethttp.Header) map[string]string {
	out := map[string]string{}
	for name := range h {
		out[name] = h.Get(name)
		if name == "Authorization" || name == "Set-Cookie" {
			out[name] = hiddenText
		}
	}
	return out
}
