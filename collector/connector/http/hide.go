package http

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	nethttp "net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/dockline/dockline/collector/connector"
)

const (
	hiddenText = "[hidden]"
	// leastSecret is the length below which a value is not looked for in texts: it would be found everywhere.
	leastSecret = 4
	// mostHidden is how many values are remembered: tokens come and go.
	mostHidden = 200
)

// hidden are the values that must not be seen in faults and traces: what the secret files hold, and tokens.
type hidden struct {
	mu     sync.Mutex
	values []string
	// names are headers and parameters that the definition proves requests by, in small letters.
	names []string
}

func (h *hidden) name(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if name = strings.ToLower(name); !slices.Contains(h.names, name) {
		h.names = append(h.names, name)
	}
}

func (h *hidden) named(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Contains(h.names, strings.ToLower(name))
}

// url is an address without secrets.
func (h *hidden) url(u url.URL) string {
	query := u.Query()
	for name := range query {
		if h.named(name) {
			query.Set(name, "hidden")
			u.RawQuery = query.Encode()
		}
	}
	return h.text(u.String())
}

// keep remembers a value, and the forms in which it stands in addresses and bodies.
func (h *hidden) keep(value string) {
	if len(value) < leastSecret {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	quoted, _ := json.Marshal(value)
	for _, form := range []string{value, url.QueryEscape(value), url.PathEscape(value), strings.Trim(string(quoted), `"`), base64.StdEncoding.EncodeToString([]byte(value))} {
		if !slices.Contains(h.values, form) {
			h.values = append(h.values, form)
		}
	}
	if over := len(h.values) - mostHidden; over > 0 {
		h.values = slices.Delete(h.values, 0, over)
	}
}

// text is a text without any of them, the longest first: one may be part of another.
func (h *hidden) text(s string) string {
	h.mu.Lock()
	values := slices.Clone(h.values)
	h.mu.Unlock()
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) })
	for _, value := range values {
		s = strings.ReplaceAll(s, value, hiddenText)
	}
	return s
}

// hiddenError says what an error says, without secrets, and is what it is.
type hiddenError struct {
	text string
	of   error
}

func (e hiddenError) Error() string        { return e.text }
func (e hiddenError) Is(target error) bool { return errors.Is(e.of, target) }

// fault is an error without secrets.
func (h *hidden) fault(err error) error {
	f, ok := errors.AsType[*connector.Fault](err)
	if !ok {
		return err
	}
	clean := *f
	clean.Text = h.text(f.Text)
	if f.Err != nil {
		clean.Err = hiddenError{h.text(f.Err.Error()), f.Err}
	}
	return &clean
}

// secretHeaders are shown by name only.
var secretHeaders = []string{"authorization", "cookie", "set-cookie", "proxy-authorization", "x-csrf-token", "x-api-key"}

func (h *hidden) headers(from nethttp.Header) map[string]string {
	out := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(from)) {
		value := h.text(strings.Join(from[name], ", "))
		if lower := strings.ToLower(name); slices.Contains(secretHeaders, lower) || h.named(lower) {
			value = hiddenText
		}
		out[name] = value
	}
	return out
}
