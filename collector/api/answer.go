package api

import (
	"cmp"
	"time"

	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/state"
	"github.com/dockline/dockline/collector/stock"
)

func (s *server) sites(q *request) (any, error) {
	found, err := s.fleet.Sites(q.Context(), q.tenant)
	if err != nil {
		return nil, err
	}
	if err := s.fleet.AddImpact(q.Context(), found); err != nil {
		return nil, err
	}
	return Sites{Sites: SitesOf(found)}, nil
}

// events reads on from an offset over all tenants and leaves out the others': next moves on even where a page is empty.
func (s *server) events(q *request) (any, error) {
	after, err := q.number("after")
	if err != nil {
		return nil, err
	}
	found, err := s.log.Read(q.Context(), after, q.limit)
	if err != nil {
		return nil, err
	}
	page := Events{Events: []Event{}, Next: after}
	for i := range found {
		if found[i].Event.GetTenant() == q.tenant {
			page.Events = append(page.Events, eventOf(&found[i]))
		}
		page.Next = found[i].Offset
	}
	return page, nil
}

func (s *server) event(q *request) (any, error) {
	id := q.PathValue("id")
	bodies, err := s.log.Get(q.Context(), q.tenant, id)
	if err != nil {
		return nil, err
	}
	found := BodiesOf(bodies)
	declared, err := s.log.Declarations(q.Context(), q.tenant, id)
	if err != nil {
		return nil, err
	}
	found.ToldInError = eachOf(declared, eventOf)
	err = s.DB.Read(q.Context(), func(tx *db.Tx) error {
		receipts, err := view.ReceiptsOf(q.Context(), tx, q.tenant, []string{id})
		if err != nil {
			return err
		}
		if r := receipts[id]; r != nil {
			found.Receipt = &Message{r}
		}
		correlations, err := view.Correlations(q.Context(), tx, q.tenant, []string{id})
		found.CorrelationID = cmp.Or(bodies[0].Event.GetCorrelationId(), correlations[id])
		return err
	})
	return found, err
}

var orderStatuses = append(state.Statuses(), state.Progresses()...)

// OrdersOf is a page of orders that began after a number.
func OrdersOf(found []view.Order, after string) Orders {
	page := Orders{Orders: eachOf(found, OrderOf), Next: after}
	if len(found) > 0 {
		page.Next = found[len(found)-1].State.GetNumber()
	}
	return page
}

func (s *server) orders(q *request) (any, error) {
	status, err := oneOf(q, "status", orderStatuses)
	if err != nil {
		return nil, err
	}
	var found []view.Order
	err = s.DB.Read(q.Context(), func(tx *db.Tx) (err error) {
		found, err = view.OrdersAfter(q.Context(), tx, q.tenant, q.query.Get("after"), view.OrderFilter{Status: status, Site: q.query.Get("site"), Limit: q.limit})
		return err
	})
	if err != nil {
		return nil, err
	}
	return OrdersOf(found, q.query.Get("after")), nil
}

func (s *server) order(q *request) (any, error) {
	t, err := view.OneTrack(q.Context(), s.DB, q.tenant, q.PathValue("number"))
	if err != nil {
		return nil, err
	}
	found := Track{Order: OrderOf(&t.Order), Events: make([]TrackEvent, len(t.Events)), Postings: make([]TrackPosting, len(t.Postings)),
		Exceptions: eachOf(t.Exceptions, ExceptionOf), Milestones: milestonesOf(t.Milestones)}
	for i := range t.Events {
		found.Events[i].Event = eventOf(&t.Events[i])
		if r := t.Receipts[t.Events[i].Event.GetId()]; r != nil {
			found.Events[i].Receipt = &Message{r}
		}
	}
	for i := range t.Postings {
		found.Postings[i] = TrackPosting{Posting: postingOf(&t.Postings[i]), EventIDs: orEmpty(t.Feeds[i])}
	}
	return found, nil
}

func (s *server) postings(q *request) (any, error) {
	standing, err := oneOf(q, "state", posting.States())
	if err != nil {
		return nil, err
	}
	f := posting.Filter{Tenant: q.tenant, Target: q.query.Get("target"), Site: q.query.Get("site"), Limit: q.limit}
	if standing != "" {
		f.States = []posting.State{standing}
	}
	var found []posting.Entry
	var total int64
	err = s.DB.Read(q.Context(), func(tx *db.Tx) (err error) {
		if total, err = posting.Total(q.Context(), tx, f); err != nil {
			return err
		}
		if found, err = posting.List(q.Context(), tx, f); err != nil {
			return err
		}
		return posting.Explain(q.Context(), tx, found, time.Now())
	})
	if err != nil {
		return nil, err
	}
	return Postings{Postings: eachOf(found, postingOf), Total: total}, nil
}

// explain says of postings what they wait for.
func (s *server) explain(q *request, list []posting.Entry) error {
	return s.DB.Read(q.Context(), func(tx *db.Tx) error { return posting.Explain(q.Context(), tx, list, time.Now()) })
}

// unresolved asks for the exceptions of every state but resolved.
const unresolved exception.State = "unresolved"

func (s *server) exceptions(q *request) (any, error) {
	standing, err := oneOf(q, "state", append(exception.States(), unresolved))
	if err != nil {
		return nil, err
	}
	f := exception.Filter{State: standing, Site: q.query.Get("site"), Order: q.query.Get("order"), Team: q.query.Get("team"), Assignee: q.query.Get("assignee"),
		Code: q.query.Get("code"), Group: q.query.Get("group"), Target: q.query.Get("target"), Limit: q.limit}
	if standing == unresolved {
		f.State, f.Unresolved = "", true
	}
	after, err := q.number("after")
	if err != nil {
		return nil, err
	}
	if q.query.Has("after") {
		f.After = &after
	}
	var found []exception.Exception
	var total int64
	err = s.DB.Read(q.Context(), func(tx *db.Tx) (err error) {
		if total, err = exception.Total(q.Context(), tx, q.tenant, f); err != nil {
			return err
		}
		found, err = exception.List(q.Context(), tx, q.tenant, f)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, e := range found {
		after = max(after, e.Number)
	}
	return Exceptions{Exceptions: eachOf(found, ExceptionOf), Total: total, Next: after}, nil
}

func (s *server) stock(q *request) (any, error) {
	var found []view.Stock
	err := s.DB.Read(q.Context(), func(tx *db.Tx) (err error) {
		found, err = view.StockAfter(q.Context(), tx, q.tenant, q.query.Get("site"), q.query.Get("after"), q.limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	page := StockPage{Stock: eachOf(found, stockOf), Next: q.query.Get("after")}
	if len(found) > 0 {
		page.Next = found[len(found)-1].Key
	}
	return page, nil
}

// Availability answers GET /api/v1/availability?item=ITEM&item=ITEM&site=ID: what can be promised of items, by site and in all, with how old that is.
// Without item it is all of which there is anything, page by page: ask again with after=NEXT while there is one.
type Availability struct {
	At           time.Time       `json:"at"`
	Availability []stock.Promise `json:"availability"`
	Next         string          `json:"next,omitempty"`
}

func (s *server) availability(q *request) (any, error) {
	out := Availability{At: s.now().UTC()}
	items, sites := q.query["item"], q.query["site"]
	if len(items) > q.limit {
		return nil, bad("Ask for at most %d items at once.", q.limit)
	}
	if len(items) == 0 && len(sites) > 1 {
		return nil, bad("Name the items with item=, or at most one site.")
	}
	err := s.DB.Read(q.Context(), func(tx *db.Tx) (err error) {
		asked := items
		if out.Next = ""; len(items) == 0 {
			site := ""
			if len(sites) > 0 {
				site = sites[0]
			}
			if asked, err = stock.Items(q.Context(), tx, q.tenant, site, q.query.Get("after"), q.limit); err != nil {
				return err
			}
			if len(asked) == q.limit {
				out.Next = asked[len(asked)-1]
			}
		}
		out.Availability, err = stock.Available(q.Context(), tx, q.tenant, asked, sites, s.now())
		return err
	})
	return out, err
}

// promised answers GET /api/v1/stock/atp?item=ITEM&site=ID&site=ID.
func (s *server) promised(q *request) (any, error) {
	item := q.query.Get("item")
	if item == "" {
		return nil, bad("Add item=: what can be promised is worked out for one item.")
	}
	var p stock.Promise
	err := s.DB.Read(q.Context(), func(tx *db.Tx) (err error) {
		p, err = stock.Promised(q.Context(), tx, q.tenant, item, q.query["site"], s.now())
		return err
	})
	return p, err
}

func (s *server) receipts(q *request) (any, error) {
	site := q.query.Get("site")
	if site == "" {
		return nil, bad("Add site=: receipts are a list for each site.")
	}
	after, err := q.number("after")
	if err != nil {
		return nil, err
	}
	page := Receipts{Receipts: []Message{}, Next: after}
	err = s.DB.Read(q.Context(), func(tx *db.Tx) error {
		found, err := view.Receipts(q.Context(), tx, q.tenant, site, after, q.limit)
		page.Receipts, page.Next = []Message{}, after
		for _, r := range found {
			page.Receipts, page.Next = append(page.Receipts, Message{r}), r.GetPosition()
		}
		return err
	})
	return page, err
}
