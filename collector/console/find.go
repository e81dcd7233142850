package console

import (
	"context"
	"net/url"
	"strings"

	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/state"
	"github.com/dockline/dockline/proto/event"
)

type findData struct {
	Value string
	Hits  []findHit
	From  int
}

type findHit struct {
	view.Hit
	// Page is where it is shown, "" where it has no page.
	Page string
	// What is the thing in words: "order SO00017".
	What string
}

// find shows what a name leads to; where that is one order, its page at once.
func (s *server) find(q *request) (*content, error) {
	data := &findData{Value: strings.TrimSpace(q.param("q")), From: view.FindFrom}
	err := s.read(q, func(ctx context.Context, tx *db.Tx) error {
		hits, err := view.Find(ctx, tx, q.tenant, data.Value, 0)
		data.Hits = nil
		for _, h := range hits {
			data.Hits = append(data.Hits, findHit{h, pageOf(h.Key), thing(h.Key)})
		}
		return err
	})
	if page := theOne(data.Hits); err == nil && page != "" {
		return nil, redirect(page)
	}
	return &content{"find", "Search", data}, err
}

// theOne is the page of the only order, or the only thing, that a whole name leads to.
func theOne(hits []findHit) string {
	page, orders := "", make(map[string]bool)
	for _, h := range hits {
		if !h.Exact {
			return ""
		}
		if strings.HasPrefix(h.Key, state.KindOrder+"/") && !h.Former {
			orders[h.Page] = true
			page = h.Page
		}
	}
	if len(orders) == 0 && len(hits) == 1 {
		return hits[0].Page
	}
	if len(orders) != 1 {
		return ""
	}
	return page
}

// pages of keys begin with these.
var findPages = map[string]string{state.KindOrder: "/orders", state.KindShipment: "/shipments", state.KindReturn: "/returns", state.KindBlindReturn: "/blind-returns", state.KindInbound: "/inbound"}

// pageOf is where a key is shown.
func pageOf(key string) string {
	kind, parts, err := event.ParseKey(key)
	page, ok := findPages[kind]
	if err != nil || !ok {
		return ""
	}
	for _, part := range parts {
		page += "/" + url.PathEscape(part)
	}
	return page
}

// thing is a key in words.
func thing(key string) string {
	kind, parts, err := event.ParseKey(key)
	if err != nil {
		return key
	}
	if kind == state.KindReference {
		return "nothing yet"
	}
	last := parts[len(parts)-1]
	if len(parts) > 1 {
		last += " of " + parts[0]
	}
	return strings.ReplaceAll(kind, "_", " ") + " " + last
}

// causePage is the page of what an exception follows from.
type causePage struct{ Page, Words string }

// cause finds it by the exception's origin, nil where there is none, or the exception names the order itself.
func cause(origin string) *causePage {
	key, folded := strings.CutPrefix(origin, "fold/")
	page := pageOf(key)
	if !folded || page == "" || strings.HasPrefix(key, state.KindOrder+"/") {
		return nil
	}
	return &causePage{page, thing(key)}
}
