package http

import (
	"context"
	"errors"
	"fmt"
	nethttp "net/http"
	"slices"
	"strconv"
	"time"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// errorRule is one row of a definition's error table; the first that matches decides.
type errorRule struct {
	status  []int
	when    *expression
	class   docklinev1.FaultClass
	code    string
	text    *expression
	remedy  string
	unknown bool
	// openFrom is the first day that is open, nil where the fault is about something else.
	openFrom *expression
	// retryAfter are the seconds after which it may be asked again, where a header does not say so.
	retryAfter *expression
}

func (r errorRule) matches(ctx context.Context, status int, v values) bool {
	if len(r.status) > 0 && !slices.Contains(r.status, status) {
		return false
	}
	// A body that lacks what the expression looks for is another error's.
	matched, err := r.when.bool(ctx, v, true)
	return err == nil && matched
}

// transportFault is what a request without an answer means.
func (c *Connector) transportFault(req *nethttp.Request, err error, unknown bool) *connector.Fault {
	f := technical("connection", fmt.Sprintf("%s %s had no answer", req.Method, req.URL.Path), "see whether the system runs and can be reached", err)
	if errors.Is(err, context.DeadlineExceeded) {
		f.Code = "timeout"
		f.Text = fmt.Sprintf("%s %s had no answer in time", req.Method, req.URL.Path)
	}
	f.Unknown = unknown
	return f
}

// failed says whether an answer with a status of success is an error all the same.
func (c *Connector) failed(ctx context.Context, r *request, got *answer) bool {
	wrong, err := c.definition.failed.bool(ctx, got.vars(r.method), false)
	return err == nil && wrong // an answer that lacks what the expression looks for is none
}

// classify is what an answer that is no success means: by the definition's table, else by the status.
func (c *Connector) classify(ctx context.Context, r *request, got *answer) *connector.Fault {
	v := got.vars(r.method)
	retry := retryAfter(got.headers, c.now())
	for _, rule := range c.definition.errors {
		if !rule.matches(ctx, got.status, v) {
			continue
		}
		text, err := rule.text.string(ctx, v)
		if err != nil || text == "" {
			text = said(got)
		}
		openFrom, err := rule.openFrom.string(ctx, v)
		if err != nil {
			openFrom = "" // an answer that does not say so: a person finds out
		}
		if seconds, err := rule.retryAfter.int(ctx, v); err == nil && seconds > 0 {
			retry = time.Duration(min(seconds, longestRetryAfter)) * time.Second
		}
		return &connector.Fault{Class: rule.class, Code: rule.code, Text: text, Remedy: rule.remedy, Unknown: rule.unknown && r.writes(), RetryAfter: retry, OpenFrom: openFrom}
	}
	f := byStatus(got.status)
	if got.status/100 == 2 { // the system read it, and says that it did not do it
		f = &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Code: "refused", Remedy: "read the answer and correct the record, or add the case to the definition's errors"}
	}
	f.Text = said(got)
	f.RetryAfter = retry
	// A server that failed, or a gateway before it, may have done it all the same; one that asks to come again has not.
	f.Unknown = r.writes() && got.status >= 500 && retry == 0
	return f
}

func byStatus(status int) *connector.Fault {
	technical, data := docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, docklinev1.FaultClass_FAULT_CLASS_DATA
	switch {
	case status == nethttp.StatusUnauthorized || status == nethttp.StatusForbidden:
		return &connector.Fault{Class: technical, Code: "not_authorised", Remedy: "check the connector's credentials and their rights"}
	case status == nethttp.StatusTooManyRequests || status == nethttp.StatusServiceUnavailable || status == nethttp.StatusRequestTimeout:
		return &connector.Fault{Class: technical, Code: "busy", Remedy: "it will be tried again; lower the connector's rate if it stays"}
	case status == nethttp.StatusConflict || status == nethttp.StatusPreconditionFailed || status == nethttp.StatusLocked:
		return &connector.Fault{Class: technical, Code: "conflict", Remedy: "it will be tried again"}
	case status/100 == 4:
		return &connector.Fault{Class: data, Code: "refused", Remedy: "read the answer and correct the record, or add the case to the definition's errors"}
	case status/100 == 5:
		return &connector.Fault{Class: technical, Code: "server_error", Remedy: "it will be tried again; look into the system's log if it stays"}
	}
	return &connector.Fault{Class: technical, Code: "bad_answer", Remedy: "check the connector's url: the answer is neither a success nor an error"}
}

// said is the answer in words, cut where it is long.
func said(got *answer) string {
	text := fmt.Sprint(got.body)
	if body, ok := got.body.(map[string]any); ok {
		for _, name := range []string{"message", "detail", "title", "error"} {
			if s, ok := body[name].(string); ok && s != "" {
				text = s
				break
			}
		}
	}
	return fmt.Sprintf("status %d: %s", got.status, text[:min(len(text), 300)])
}

// longestRetryAfter, a day in seconds, keeps a senseless number from becoming a negative time.
const longestRetryAfter = 24 * 60 * 60

// retryAfter reads the header in both of its forms (RFC 9110, section 10.2.3).
func retryAfter(h nethttp.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 63); err == nil {
		return time.Duration(min(seconds, longestRetryAfter)) * time.Second
	}
	if at, err := nethttp.ParseTime(value); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}
