package api

import (
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/proto/event"
)

// Message is a message of dockline.v1 in protobuf's JSON form, with the field names of the .proto files. Whole numbers of 64 bits are
// strings; quantities of states are decimal numbers of the base unit, as strings too: "12.5".
type Message struct{ proto.Message }

// MarshalJSON writes protobuf's JSON form.
func (m Message) MarshalJSON() ([]byte, error) {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m.Message)
	if err != nil {
		return nil, err
	}
	return inUnits(text, m.ProtoReflect().Descriptor())
}

// Sites answers GET /api/v1/sites.
type Sites struct {
	Sites []Site `json:"sites"`
}

// Site is one site and how it is. Times are RFC 3339 in UTC, absent where there is none.
type Site struct {
	Tenant string `json:"tenant"`
	ID     string `json:"id"`
	Title  string `json:"title,omitempty"`
	Region string `json:"region,omitempty"`
	// State is "never seen", "online" or "offline".
	State  fleet.State `json:"state"`
	Since  *time.Time  `json:"since,omitempty"`
	SeenAt *time.Time  `json:"seen_at,omitempty"`
	// Session is the one in force; each connection of the site has its own.
	Session string `json:"session,omitempty"`
	// Health is one sentence, Severity its weight: info, warning or error.
	Health     string    `json:"health"`
	Severity   string    `json:"severity"`
	Conditions []Message `json:"conditions"`
	// Heartbeat is what the site last said of itself.
	Heartbeat *Message `json:"heartbeat,omitempty"`
	// Backlog is events held at the site, Waiting envelopes not yet in the log, the rest what the log has taken.
	Backlog    uint64 `json:"backlog"`
	Waiting    int64  `json:"waiting"`
	Logged     int64  `json:"logged"`
	Duplicates int64  `json:"duplicates"`
	Conflicts  int64  `json:"conflicts"`
	// Commands and Receipts are on their way to the site.
	Commands int64 `json:"commands"`
	Receipts int64 `json:"receipts"`
	// OldestEventAt is when the oldest event was captured that the centre does not have, OldestUnconfirmedAt the oldest that the system of
	// record has not settled; both as the site last said.
	OldestEventAt       *time.Time `json:"oldest_event_at,omitempty"`
	OldestUnconfirmedAt *time.Time `json:"oldest_unconfirmed_at,omitempty"`
	// DaysUntilFull is when the journal is full at the pace of today, ClockAheadSeconds how wrong the site's clock is.
	DaysUntilFull       *float64   `json:"days_until_full,omitempty"`
	ClockAheadSeconds   *float64   `json:"clock_ahead_seconds,omitempty"`
	AgentVersion        string     `json:"agent_version,omitempty"`
	CertificateNotAfter *time.Time `json:"certificate_not_after,omitempty"`
	Plugins             []Plugin   `json:"plugins"`
	Devices             []Device   `json:"devices"`
	// Differences are days whose daily close does not agree.
	Differences []string `json:"close_differences,omitempty"`
	// Impact is what waits for the site.
	Impact Impact `json:"impact"`
}

// SitesOf are sites as the API shows them.
func SitesOf(found []*fleet.Site) []Site { return each(found, SiteOf) }

// SiteOf is a site as the API shows it.
func SiteOf(s *fleet.Site) Site {
	site := Site{Tenant: s.Tenant, ID: s.ID, Title: s.Title, Region: s.Region, State: s.State, Since: when(s.Since), SeenAt: when(s.SeenAt), Session: s.Session,
		Health: s.Health, Severity: severity(s.Severity), Conditions: []Message{}, Backlog: s.Backlog, Waiting: s.Waiting, Logged: s.Logged,
		Duplicates: s.Duplicates, Conflicts: s.Conflicts, Commands: s.Commands, Receipts: s.Receipts}
	for _, c := range s.Conditions {
		site.Conditions = append(site.Conditions, Message{c})
	}
	site.OldestEventAt, site.CertificateNotAfter, site.Differences, site.Impact = when(s.OldestEventAt), when(s.CertificateNotAfter), s.Differences, impactOf(&s.Impact)
	site.Plugins, site.Devices, site.AgentVersion = pluginsOf(s.Heartbeat), devicesOf(s.Heartbeat), s.Heartbeat.GetAgentVersion()
	if s.Heartbeat != nil {
		site.DaysUntilFull, site.ClockAheadSeconds = s.Heartbeat.DaysUntilFull, s.Heartbeat.ClockAheadSeconds
		if t := s.Heartbeat.GetOldestUnconfirmedAt(); t.IsValid() {
			site.OldestUnconfirmedAt = when(t.AsTime())
		}
		site.Heartbeat = &Message{s.Heartbeat}
	}
	return site
}

// Events answers GET /api/v1/events?after=OFFSET&limit=N: events by offset. Ask again after Next; it stays where there is nothing new.
type Events struct {
	Events []Event `json:"events"`
	Next   uint64  `json:"next"`
}

// Event is one event as the log keeps it.
type Event struct {
	Offset uint64 `json:"offset"`
	ID     string `json:"id"`
	// Kind is the business name: "pick.confirmed".
	Kind string `json:"kind"`
	// Variant 0 is in force; 1 is a different body under the same id; 2 is one that a person has accepted as an event of its own.
	Variant int `json:"variant"`
	// Epoch and Seq are the event's place in the site's journal; absent for a fact of the centre.
	Epoch      string     `json:"epoch,omitempty"`
	Seq        uint64     `json:"seq,omitempty"`
	RecordedAt *time.Time `json:"recorded_at"`
	// ClockWrongSeconds is by how much the clock that gave the event its time was wrong, ahead where it is above zero; absent up to five minutes.
	ClockWrongSeconds float64 `json:"clock_wrong_seconds,omitempty"`
	Event             Message `json:"event"`
}

func eventOf(e *eventlog.Entry) Event {
	return Event{Offset: e.Offset, ID: e.Event.GetId(), Kind: event.KindName(e.Event.GetKind()), Variant: e.Variant, Epoch: e.Epoch, Seq: e.Seq,
		RecordedAt: when(e.RecordedAt), ClockWrongSeconds: event.ClockWrong(e.Event).Seconds(), Event: Message{e.Event}}
}

// EventsOf are events as the API shows them.
func EventsOf(found []eventlog.Entry) []Event {
	out := make([]Event, len(found))
	for i := range found {
		out[i] = eventOf(&found[i])
	}
	return out
}

// EventWithReceipt answers GET /api/v1/events/{id}. Others are different bodies that came under the same id.
type EventWithReceipt struct {
	Event
	Receipt *Message `json:"receipt,omitempty"`
	Others  []Event  `json:"others"`
	// CorrelationID is that of its order, also where the event itself does not name it, as far as it is known by now.
	CorrelationID string `json:"correlation_id,omitempty"`
	// ToldInError are the declarations that say so; each names the events that say what is right.
	ToldInError []Event `json:"told_in_error"`
}

// BodiesOf is the bodies under one id, the one in force first.
func BodiesOf(bodies []eventlog.Entry) EventWithReceipt {
	return EventWithReceipt{Event: eventOf(&bodies[0]), Others: eachOf(bodies[1:], eventOf), ToldInError: []Event{}}
}

// Orders answers GET /api/v1/orders?after=NUMBER&limit=N&status=S&site=ID: orders by number, in the order of bytes.
type Orders struct {
	Orders []Order `json:"orders"`
	Next   string  `json:"next"`
}

// Order is an order's state, an OrderState, and how it came about.
type Order struct {
	Number    string     `json:"number"`
	Status    string     `json:"status"`
	State     Message    `json:"state"`
	Facts     int64      `json:"facts"`
	Policy    string     `json:"policy_version"`
	FirstAt   *time.Time `json:"first_at"`
	ChangedAt *time.Time `json:"changed_at"`
}

// OrderOf is an order as the API shows it.
func OrderOf(o *view.Order) Order {
	return Order{Number: o.State.GetNumber(), Status: o.State.GetStatus(), State: Message{o.State}, Facts: o.Facts, Policy: o.Policy,
		FirstAt: when(o.FirstAt), ChangedAt: when(o.ChangedAt)}
}

// Track answers GET /api/v1/orders/{number}: all that is known of the order.
type Track struct {
	Order
	Events     []TrackEvent   `json:"events"`
	Postings   []TrackPosting `json:"postings"`
	Exceptions []Exception    `json:"exceptions"`
	Milestones []Milestone    `json:"milestones"`
}

// TrackEvent is an event of an order with what the site was told of it.
type TrackEvent struct {
	Event
	Receipt *Message `json:"receipt,omitempty"`
}

// TrackPosting is a posting of an order with the events behind it.
type TrackPosting struct {
	Posting
	EventIDs []string `json:"event_ids"`
}

// StockPage answers GET /api/v1/stock?site=ID&after=KEY&limit=N, in the order of keys.
type StockPage struct {
	Stock []Stock `json:"stock"`
	Next  string  `json:"next"`
}

// Stock is one key of the ledger; State is a StockState.
type Stock struct {
	Key       string     `json:"key"`
	State     Message    `json:"state"`
	ChangedAt *time.Time `json:"changed_at"`
}

func stockOf(s *view.Stock) Stock {
	return Stock{Key: s.Key, State: Message{s.State}, ChangedAt: when(s.ChangedAt)}
}

// Receipts answers GET /api/v1/receipts?site=ID&after=POSITION&limit=N: EventReceipts by position in the site's list.
type Receipts struct {
	Receipts []Message `json:"receipts"`
	Next     uint64    `json:"next"`
}
