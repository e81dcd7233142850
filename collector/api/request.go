package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/db"
)

const (
	defaultLimit = 100
	maxLimit     = 1000
)

// request is what all answers need of a request.
type request struct {
	*http.Request
	query  url.Values
	tenant string
	limit  int
}

func bad(format string, args ...any) error {
	return &Problem{Status: http.StatusBadRequest, Detail: fmt.Sprintf(format, args...)}
}

func (s *server) read(r *http.Request) (*request, error) {
	q := &request{Request: r, query: r.URL.Query(), limit: defaultLimit}
	if text := q.query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxLimit {
			return nil, bad("limit is %q: give a number from 1 to %d.", text, maxLimit)
		}
		q.limit = n
	}
	var tenants []string
	if err := s.DB.Read(r.Context(), func(tx *db.Tx) (err error) { tenants, err = view.Tenants(r.Context(), tx); return err }); err != nil {
		return nil, err
	}
	q.tenant = q.query.Get("tenant")
	switch {
	case q.tenant != "" && !slices.Contains(tenants, q.tenant):
		return nil, &Problem{Status: http.StatusNotFound, Detail: fmt.Sprintf("There is no tenant %q. One becomes known with its first site (dockline-collector site add %s/SITE) or the first that a system tells of it.", q.tenant, q.tenant)}
	case q.tenant == "" && len(tenants) > 1:
		return nil, bad("There are several tenants: add tenant=, one of %s.", strings.Join(tenants, ", "))
	case q.tenant == "" && len(tenants) == 1:
		q.tenant = tenants[0]
	}
	return q, nil
}

// number reads a parameter that is a whole number from 0; absent is 0.
func (q *request) number(name string) (uint64, error) {
	text := q.query.Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, bad("%s is %q: give a whole number from 0.", name, text)
	}
	return uint64(n), nil
}

// oneOf reads a parameter that is one of some words; absent is "".
func oneOf[S ~string](q *request, name string, words []S) (S, error) {
	given := S(q.query.Get(name))
	if given != "" && !slices.Contains(words, given) {
		text := make([]string, len(words))
		for i, w := range words {
			text[i] = string(w)
		}
		return "", bad("%s is %q: give one of %s.", name, string(given), strings.Join(text, ", "))
	}
	return given, nil
}
