package state

import (
	"fmt"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"

	"google.golang.org/protobuf/proto"
)

// Record is a record that could not become a business event, a hole in a stream, or the result of a command about no order.
type Record struct {
	Event *docklinev1.Event
	// Order is the order that a refused event named, "" where there is none.
	Order string
	// Told are the ids of all events that told of it, sorted.
	Told []string
}

// FoldRecord folds the facts of one record: the newest, since a record that was refused again is the same record.
func FoldRecord(facts []Fact) (*Record, []Finding) {
	force := inForce(facts)
	if len(force.Facts) == 0 {
		return nil, nil
	}
	e := force.Facts[len(force.Facts)-1].Event
	record := &Record{Event: e}
	for _, fact := range facts {
		record.Told = append(record.Told, fact.Event.GetId())
	}
	record.Told = sortedSet(record.Told)
	if raw := e.GetDeadLetter().GetRefusedEvent(); len(raw) > 0 {
		refused := &docklinev1.Event{}
		if proto.Unmarshal(raw, refused) == nil {
			record.Order = Order(refused)
		}
	}
	return record, force.found.sorted()
}

// Where says where a dead letter stood: "orders.csv, line 12, column QTY".
func Where(d *docklinev1.DeadLetter) string {
	where := d.GetFile()
	if d.GetLine() > 0 {
		where += fmt.Sprintf(", line %d", d.GetLine())
	}
	if d.GetColumn() != "" {
		where += ", column " + d.GetColumn()
	}
	return where
}

// FoldOpening folds the snapshots of a site: the first opened its stock. It is nil where there is none.
func FoldOpening(site string, facts []Fact) *docklinev1.StockState {
	force := inForce(facts)
	if len(force.Facts) == 0 {
		return nil
	}
	return &docklinev1.StockState{Site: site, StockStatus: event.Available, Opened: true, OpenedBy: force.Facts[0].Event.GetId()}
}
