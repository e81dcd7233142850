package console

import (
	"context"
	"slices"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// rows is how many entries a list shows, the newest ones.
const rows = 100

// choice is one value of a list's filter; the empty one is all.
type choice struct {
	Value string
	N     int64
}

type ordersData struct {
	Status  string
	Choices []choice
	// Progresses are stages that not all of an order has reached.
	Progresses []string
	Orders     []view.Order
}

// statuses is the order in which orders go on; progresses are offered beside them, without a count.
var statuses, progresses = state.Statuses(), []string{"partially_picked", "partially_packed", "partially_shipped", "partially_delivered", "partially_received", "partially_credited"}

func (s *server) orders(q *request) (*content, error) {
	var data *ordersData
	err := s.read(q, func(ctx context.Context, tx *db.Tx) error {
		data = &ordersData{Status: q.param("status")}
		counts, err := view.OrderCounts(ctx, tx, q.tenant)
		if err != nil {
			return err
		}
		for _, status := range statuses {
			if counts[status] > 0 || status == data.Status {
				data.Choices = append(data.Choices, choice{status, counts[status]})
			}
		}
		data.Progresses = progresses
		data.Orders, err = view.LatestOrders(ctx, tx, q.tenant, view.OrderFilter{Status: data.Status, Limit: rows})
		return err
	})
	return &content{"orders", "Orders", data}, err
}

type trackData struct {
	*view.Track
	Steps []view.Step
	// Kinds are the kinds of events by id, for what a posting follows from.
	Kinds map[string]docklinev1.EventKind
}

func (s *server) track(q *request) (*content, error) {
	t, err := view.OneTrack(q.Context(), s.DB, q.tenant, q.PathValue("number"))
	if err != nil {
		return nil, err
	}
	data := &trackData{Track: t, Steps: t.Steps(), Kinds: make(map[string]docklinev1.EventKind)}
	for _, e := range t.Events {
		data.Kinds[e.Event.GetId()] = e.Event.GetKind()
	}
	return &content{"track", "Order " + t.Order.State.GetNumber(), data}, nil
}

type postingsData struct {
	State, Target string
	Targets       []string
	Choices       []choice
	Postings      []posting.Entry
}

func (s *server) postings(q *request) (*content, error) {
	var data *postingsData
	err := s.read(q, func(ctx context.Context, tx *db.Tx) error {
		data = &postingsData{State: q.param("state"), Target: q.param("target")}
		counts, err := posting.Counts(ctx, tx, q.tenant)
		if err != nil {
			return err
		}
		by := make(map[posting.State]int64)
		for _, c := range counts {
			if !slices.Contains(data.Targets, c.Target) {
				data.Targets = append(data.Targets, c.Target)
			}
			if data.Target == "" || data.Target == c.Target {
				by[c.State] += c.N
			}
		}
		for _, standing := range posting.States() {
			if by[standing] > 0 || string(standing) == data.State {
				data.Choices = append(data.Choices, choice{string(standing), by[standing]})
			}
		}
		f := posting.Filter{Tenant: q.tenant, Target: data.Target, Limit: rows}
		if data.State != "" {
			f.States = []posting.State{posting.State(data.State)}
		}
		if data.Postings, err = posting.List(ctx, tx, f); err != nil {
			return err
		}
		return posting.Explain(ctx, tx, data.Postings, s.Now())
	})
	return &content{"postings", "Postings", data}, err
}

type exceptionsData struct {
	State      string
	Choices    []choice
	Exceptions []exception.Exception
	// Notes are what was said and done about each, Groups those of several that one cause may have made.
	Notes  map[uint64][]exception.Note
	Groups []exception.Group
}

// unresolved is the choice of every state but resolved.
const unresolved = "unresolved"

// exceptions shows the unresolved ones unless all are asked for: they are what there is to do.
func (s *server) exceptions(q *request) (*content, error) {
	data := &exceptionsData{State: q.param("state")}
	if !q.URL.Query().Has("state") {
		data.State = unresolved
	}
	err := s.read(q, func(ctx context.Context, tx *db.Tx) (err error) {
		open, err := exception.Count(ctx, tx, q.tenant)
		if err != nil {
			return err
		}
		data.Choices = []choice{{unresolved, open}}
		for _, state := range exception.States() {
			data.Choices = append(data.Choices, choice{string(state), -1})
		}
		f := exception.Filter{State: exception.State(data.State), Group: q.param("group"), Limit: rows}
		if data.State == unresolved {
			f.State, f.Unresolved = "", true
		}
		if data.Groups, err = exception.Groups(ctx, tx, q.tenant, exception.Filter{Limit: rows}); err != nil {
			return err
		}
		data.Groups = slices.DeleteFunc(data.Groups, func(g exception.Group) bool { return g.N < 2 })
		data.Exceptions, err = exception.List(ctx, tx, q.tenant, f)
		if err != nil {
			return err
		}
		data.Notes = make(map[uint64][]exception.Note, len(data.Exceptions))
		for _, e := range data.Exceptions {
			if data.Notes[e.Number], err = exception.Notes(ctx, tx, q.tenant, e.Number); err != nil {
				return err
			}
		}
		return err
	})
	return &content{"exceptions", "Exceptions", data}, err
}

type eventsData struct {
	Totals eventlog.Totals
	Events []eventlog.Entry
}

func (s *server) events(q *request) (*content, error) {
	data := &eventsData{}
	var err error
	if data.Totals, err = s.log.Totals(q.Context(), q.tenant); err != nil {
		return nil, err
	}
	data.Events, err = s.log.Latest(q.Context(), q.tenant, rows)
	return &content{"events", "Events", data}, err
}

type eventData struct {
	// Bodies are all that came under the id, the one in force first; Texts are they in full.
	Bodies  []eventlog.Entry
	Texts   []string
	Order   string
	Receipt *docklinev1.EventReceipt
	// Declared are the declarations that it was told in error.
	Declared []eventlog.Entry
}

func (s *server) event(q *request) (*content, error) {
	id := q.PathValue("id")
	bodies, err := s.log.Get(q.Context(), q.tenant, id)
	if err != nil {
		return nil, err
	}
	data := &eventData{Bodies: bodies, Order: state.Order(bodies[0].Event)}
	if data.Declared, err = s.log.Declarations(q.Context(), q.tenant, id); err != nil {
		return nil, err
	}
	for _, b := range bodies {
		data.Texts = append(data.Texts, protojson.MarshalOptions{Multiline: true, UseProtoNames: true}.Format(b.Event))
	}
	err = s.read(q, func(ctx context.Context, tx *db.Tx) error {
		receipts, err := view.ReceiptsOf(ctx, tx, q.tenant, []string{id})
		data.Receipt = receipts[id]
		return err
	})
	return &content{"event", "Event", data}, err
}
