package api

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/posting"
)

const (
	// usualWait is how long somebody waits for a verdict whose class says nothing of how long it may take, longestWait how long at most.
	usualWait   = 5 * time.Second
	longestWait = 30 * time.Second
)

// later is an answer that is not there yet: status 202, with where to ask again.
type later struct {
	value    any
	location string
}

// verdict answers GET /api/v1/postings/verdict?posting=TARGET/KIND/KEY&wait=5s: what a system says of one posting. Of one whose timing class is
// synchronous it waits for that, as long as its class lets it take or wait says, 30 s at most; of others it answers at once. 200 is the verdict:
// confirmed with the number of the document, or refused with the reason; 202 says that there is none yet, and Location where to ask again.
func (s *server) verdict(q *request) (any, error) {
	parts := strings.SplitN(q.query.Get("posting"), "/", 3)
	if len(parts) != 3 {
		return nil, bad("posting is %q: give TARGET/KIND/KEY, as the list of postings has them.", q.query.Get("posting"))
	}
	ref := posting.Ref{Target: parts[0], Kind: connector.Kind(parts[1]), Key: parts[2]}
	patience := time.Duration(0)
	if text := q.query.Get("wait"); text != "" {
		given, err := time.ParseDuration(text)
		if err != nil || given < 0 {
			return nil, bad("wait is %q: give a time like 5s.", text)
		}
		patience = given
	}
	e, err := posting.Verdict(q.Context(), s.DB, q.tenant, ref, 0)
	if err == nil && e.Timing == posting.Synchronous {
		e, err = posting.Verdict(q.Context(), s.DB, q.tenant, ref, min(cmp.Or(patience, e.Within, usualWait), longestWait))
	}
	switch {
	case errors.Is(err, posting.ErrAbsent):
		return nil, &Problem{Status: http.StatusNotFound, Detail: "Nothing asks for " + ref.String() + "."}
	case err != nil:
		return nil, err
	}
	list := []posting.Entry{*e}
	if err := s.explain(q, list); err != nil {
		return nil, err
	}
	answer := postingOf(&list[0])
	if e.Settled() {
		return answer, nil
	}
	at := url.Values{"posting": {ref.String()}, "tenant": {q.tenant}}
	return later{answer, "/api/v1/postings/verdict?" + at.Encode()}, nil
}
