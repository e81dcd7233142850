package bench

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	tenant = "main"
	site   = "bench"
)

// Began is when the first pick was made; every pick is 40 ms after the one before, so that times look as on a busy day.
var Began = time.Date(2026, 7, 6, 6, 0, 0, 0, time.UTC)

// facts are what one pick says: 5,000 items, 2,000 bins, 800 lots and 60 operators, without an order to be found in them.
type facts struct {
	Kind     string `json:"kind"`
	Task     string `json:"task"`
	Order    string `json:"order"`
	Line     string `json:"order_line"`
	Item     string `json:"item"`
	Quantity string `json:"quantity"`
	Unit     string `json:"unit"`
	Ordered  string `json:"ordered"`
	Lot      string `json:"lot"`
	Bin      string `json:"bin"`
	LPN      string `json:"handling_unit"`
	Operator string `json:"operator"`
	Device   string `json:"device"`
	At       string `json:"occurred_at"`
	Movement uint64 `json:"movement"`
	Tenant   string `json:"tenant"`
	Site     string `json:"site"`
	Source   string `json:"source"`
	Key      string `json:"source_key"`
}

// scatter spreads n, so that neighbours have nothing in common.
func scatter(n, salt uint64) uint64 {
	n = (n + salt) * 0x9e3779b97f4a7c15
	n ^= n >> 29
	n *= 0xbf58476d1ce4e5b9
	return n ^ n>>32
}

func factsOf(key string, n uint64) facts {
	asked := 1 + scatter(n, 1)%12
	return facts{
		Kind: "pick.confirmed", Task: fmt.Sprintf("PK%09d", n), Order: fmt.Sprintf("SO%07d", n/5), Line: fmt.Sprint(1 + n%5), Item: fmt.Sprintf("SKU-%05d", scatter(n, 2)%5000),
		Quantity: fmt.Sprint(asked), Unit: "ea", Ordered: fmt.Sprint(asked), Lot: fmt.Sprintf("L26%04d", scatter(n, 3)%800), Bin: fmt.Sprintf("A%02d-%03d", scatter(n, 4)%20, scatter(n, 5)%100),
		LPN: fmt.Sprintf("00340123450%09d", n/5), Operator: fmt.Sprintf("op-%02d", scatter(n, 6)%60), Device: fmt.Sprintf("gun-%02d", scatter(n, 7)%40),
		At: Began.Add(time.Duration(n) * 40 * time.Millisecond).Format(time.RFC3339Nano), Movement: n + 1, Tenant: tenant, Site: site, Source: "wms", Key: fmt.Sprintf("%s/%09d", key, n),
	}
}

// JSON is the n-th pick as the peers get it: about 380 bytes.
func JSON(key string, n uint64) []byte {
	text, err := json.Marshal(factsOf(key, n))
	if err != nil {
		panic(err) // strings and numbers only
	}
	return text
}

// Pick is the n-th pick as a source gives it; key keeps the picks of one source apart from another's.
func Pick(key string, n uint64) *docklinev1.Event {
	f := factsOf(key, n)
	return &docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, Subject: f.Order, SourceKey: f.Key, SourceRevision: "1",
		OccurredAt: timestamppb.New(Began.Add(time.Duration(n) * 40 * time.Millisecond)), Movement: f.Movement, Actor: f.Operator, Device: f.Device,
		Payload: &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Task: f.Task, Lines: []*docklinev1.Line{{Order: f.Order, OrderLine: f.Line, Item: f.Item, Lot: f.Lot, Bin: f.Bin,
			HandlingUnit: f.LPN, Quantity: &docklinev1.Quantity{Value: f.Quantity, Unit: f.Unit}, Ordered: &docklinev1.Quantity{Value: f.Ordered, Unit: f.Unit}}}}}}
}

// Stamped is the n-th pick as the agent gives it to the journal: without id and trace, which the collector works out (event.Restore).
func Stamped(key string, n uint64) *docklinev1.Event {
	e := Pick(key, n)
	e.Tenant, e.Site, e.Source, e.CapturedAt = tenant, site, "wms", timestamppb.Now()
	return e
}

// PickOf is the n-th pick of one of many sites: its orders, tasks and keys are its own, items and operators those of all.
func PickOf(site string, n uint64) *docklinev1.Event {
	h := fnv.New64a()
	_, _ = h.Write([]byte(site)) // it never fails
	e := Pick("wms", h.Sum64()%1e6+n)
	own := fmt.Sprintf("%s-%d", site, n/5)
	e.Source, e.Subject, e.SourceKey, e.Movement = "wms", own, fmt.Sprintf("wms/%09d", n), n+1
	pick := e.GetPick()
	pick.Task, pick.Lines[0].Order, pick.Lines[0].OrderLine = fmt.Sprintf("PK%09d", n), own, fmt.Sprint(1+n%5)
	return e
}
