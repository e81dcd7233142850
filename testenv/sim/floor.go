package sim

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/agent/journal"
	"github.com/dockline/dockline/plugins/sim/day"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// move lets the next thing happen on the floor, and the site's systems write it down, rightly or not.
func (s *site) move() error {
	w := s.world
	m, ok := s.dock.Next(s.now())
	if !ok {
		return nil
	}
	if err := s.dock.Apply(day.Record{Movement: &m}); err != nil {
		return err
	}
	w.trace.add(w.now, "%s: %s %s of %s", s.name, m.Kind, m.ID, m.Order)
	s.truth = append(s.truth, m)
	s.write(m)
	return nil
}

// write puts a movement into the table of the system that saw it.
func (s *site) write(m day.Movement) {
	w := s.world
	e := m.Event()
	if m.Kind == day.Pack {
		s.note(1, e)
		return
	}
	if l := m.Lines[0]; m.Kind == day.Pick && !l.Short() && l.Quantity > day.Units(1) && w.chance(w.weather.correct) {
		// Somebody mistyped it; what is right comes as the next revision of the same record, some time later.
		wrong := proto.CloneOf(e)
		wrong.GetPick().Lines[0].Quantity.Value = (l.Quantity - day.Units(1)).String()
		e.SourceRevision = "2"
		s.note(0, wrong)
		s.late = append(s.late, e)
		w.fault(recordCorrected)
		return
	}
	s.note(0, e)
	if w.chance(w.weather.repeat) {
		s.note(0, e)
		w.fault(recordRepeated)
	}
	if w.chance(w.weather.bad) {
		s.badRecord()
	}
	if w.chance(w.weather.unknown) {
		s.unknownOrder()
	}
}

func (s *site) note(table int, e *docklinev1.Event) {
	s.sources[table].records = append(s.sources[table].records, e)
}

// correct has the corrections written that are due.
func (s *site) correct(all bool) {
	for len(s.late) > 0 && (all || s.world.r.IntN(3) == 0) {
		s.note(0, s.late[0])
		s.late = s.late[1:]
	}
}

// badRecord is a line that nobody can read: a person must look at it.
func (s *site) badRecord() {
	s.bad++
	s.world.fault(recordBad)
	key := fmt.Sprintf("bad/%d", s.bad)
	s.note(0, &docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED, SourceKey: key, SourceRevision: "1", OccurredAt: timestamppb.New(s.now()),
		Payload: &docklinev1.Event_DeadLetter{DeadLetter: &docklinev1.DeadLetter{Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Code: badQuantity,
			Text: "the quantity is not a number", File: "moves.csv", Line: uint32(s.bad), Raw: []byte(key)}}})
}

const badQuantity = "quantity_invalid"

// unknownOrder is a carton packed for an order that no system of record has.
func (s *site) unknownOrder() {
	s.world.fault(orderUnknown)
	order := fmt.Sprintf("X%s%04d", s.name, len(s.strange)+1)
	e := &docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_PACK_CONFIRMED, Subject: "LPN-" + order, SourceKey: "pack/" + order, SourceRevision: "1",
		OccurredAt: timestamppb.New(s.now()), Payload: &docklinev1.Event_Pack{Pack: &docklinev1.Pack{HandlingUnit: "LPN-" + order,
			Lines: []*docklinev1.Line{{Order: order, OrderLine: "10", Item: items[0], Quantity: &docklinev1.Quantity{Value: "1"}}}}}}
	s.strange = append(s.strange, e)
	s.note(1, e)
}

// stamp is what the agent's host makes of a record.
func (s *site) stamp(source string, record *docklinev1.Event) *docklinev1.Event {
	e := proto.CloneOf(record)
	e.Tenant, e.Site, e.Source, e.CapturedAt = tenant, s.name, source, timestamppb.New(s.now())
	e.Id = event.ID(event.Cause{Tenant: tenant, Site: s.name, Source: e.Source, SourceKey: e.SourceKey, Revision: e.SourceRevision, Kind: event.KindName(e.Kind), Ordinal: e.Ordinal})
	if fault := event.Validate(e); fault != nil {
		panic(fmt.Sprintf("sim: a record of the simulation's own is not valid: %v", fault))
	}
	return e
}

// Deliver carries a command out on the floor, at least once.
func (s *site) Deliver(ctx context.Context, c *docklinev1.Command) (*docklinev1.CommandResult, error) {
	w := s.world
	if w.chance(w.weather.disk) {
		w.fault(sinkAway)
		w.trace.add(w.now, "%s: nobody takes %s", s.name, c.GetKey())
		return nil, fmt.Errorf("the site's system does not answer")
	}
	result := &docklinev1.CommandResult{Key: c.GetKey(), Version: c.GetVersion(), Outcome: docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED}
	if c.GetReread() != nil {
		return result, s.reread(ctx, c.GetPlugin())
	}
	work, err := workOf(c)
	if err != nil {
		return nil, err
	}
	known, ok := s.dock.Answered(work.Key)
	if !ok || known.Version < work.Version {
		work.Refusal = s.dock.Refusal(work)
		if err := s.dock.Apply(day.Record{Command: &work}); err != nil {
			return nil, err
		}
		known = work
	}
	switch {
	case known.Version > work.Version:
		result.Outcome = docklinev1.CommandOutcome_COMMAND_OUTCOME_SUPERSEDED
	case known.Refusal != "":
		result.Outcome, result.Class, result.Text = docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED, docklinev1.FaultClass_FAULT_CLASS_PROCESS, known.Refusal
	}
	w.trace.add(w.now, "%s: %s version %d is %s", s.name, c.GetKey(), c.GetVersion(), result.Outcome)
	if w.chance(w.weather.disk) {
		w.fault(sinkSilent)
		return nil, fmt.Errorf("the site's system took it and did not answer")
	}
	return result, nil
}

// reread has a source tell everything once more: its cursor is put back to the first of its records, durably.
func (s *site) reread(ctx context.Context, plugin string) error {
	for _, from := range s.sources {
		if from.name == plugin && from.stream != "" {
			if err := s.append(ctx, journal.Entry{Plugin: plugin, Cursor: []byte("0")}); err != nil {
				return err
			}
			return s.rewind(ctx)
		}
	}
	return fmt.Errorf("no source %s can be read again", plugin)
}

func workOf(command *docklinev1.Command) (day.Command, error) {
	c := day.Command{Key: command.GetKey(), Version: command.GetVersion()}
	switch {
	case command.GetReleaseOrder() != nil:
		order := command.GetReleaseOrder().GetOrder()
		c.Release = &day.Order{Number: order.GetNumber()}
		for _, l := range order.GetLines() {
			quantity, err := event.ParseQuantity(l.GetQuantity().GetValue())
			if err != nil {
				return c, err
			}
			c.Release.Lines = append(c.Release.Lines, day.OrderLine{Line: l.GetOrderLine(), Item: l.GetItem(), Unit: l.GetQuantity().GetUnit(), Quantity: day.Micro(quantity)})
		}
	case command.GetCancelOrder() != nil:
		c.Cancel = command.GetCancelOrder().GetNumber()
	default:
		return c, fmt.Errorf("the floor does not know what to do with %s", command.GetKey())
	}
	return c, nil
}
