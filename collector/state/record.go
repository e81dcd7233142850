package state

import (
	"bytes"
	"fmt"
	"slices"
	"time"

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
	// Settled is how a person ended it, nil where nobody has; SettledBy who.
	Settled   *docklinev1.RecordSettlement
	SettledBy string
	// Since is when it first happened.
	Since time.Time
}

// FoldRecord folds the facts of one record: the newest, since a record that was refused again is the same record.
func FoldRecord(facts []Fact) (*Record, []Finding) {
	var settled []Fact
	facts = slices.DeleteFunc(slices.Clone(facts), func(fact Fact) bool {
		is := fact.Event.GetRecordSettlement() != nil
		if is {
			settled = append(settled, fact)
		}
		return is
	})
	force := inForce(facts)
	if len(force.Facts) == 0 {
		return nil, nil
	}
	e := force.Facts[len(force.Facts)-1].Event
	record := &Record{Event: e}
	record.settle(settled, facts)
	for _, fact := range facts {
		if at := occurred(fact.Event); record.Since.IsZero() || at.Before(record.Since) {
			record.Since = at
		}
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

// settle takes the last word of people that is about what the record says now. The same bad record told again stays settled; another one under
// its key does not.
func (r *Record) settle(settled, facts []Fact) {
	slices.SortFunc(settled, byHappening)
	said := make(map[string]*docklinev1.DeadLetter)
	for _, fact := range facts {
		said[fact.Event.GetId()] = fact.Event.GetDeadLetter()
	}
	now := r.Event.GetDeadLetter()
	for _, fact := range settled {
		s := fact.Event.GetRecordSettlement()
		then := said[s.GetEventId()]
		if then != nil && bytes.Equal(then.GetRaw(), now.GetRaw()) && bytes.Equal(then.GetRefusedEvent(), now.GetRefusedEvent()) {
			r.Settled, r.SettledBy = s, fact.Event.GetActor()
		}
	}
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
