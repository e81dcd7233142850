package main

import (
	"context"
	"fmt"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/sim/day"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Open implements plugins.Sink. With traffic of its own the site takes no work.
func (s *sim) Open(_ context.Context, start plugins.Start) error {
	if trafficOf(start.Config) != nil {
		return plugins.ErrIdle
	}
	return s.open(start)
}

// Deliver implements plugins.Sink: the command stands in the ledger before it is answered.
func (s *sim) Deliver(_ context.Context, command *docklinev1.Command) (*docklinev1.CommandResult, error) {
	result := &docklinev1.CommandResult{Key: command.GetKey(), Version: command.GetVersion(), Outcome: docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED}
	c, err := commandOf(command)
	if err != nil {
		return refused(result, docklinev1.FaultClass_FAULT_CLASS_DATA, err.Error()), nil
	}
	answered, err := s.floor.command(c)
	if err != nil {
		return nil, err
	}
	switch {
	case answered.Version > c.Version:
		result.Outcome = docklinev1.CommandOutcome_COMMAND_OUTCOME_SUPERSEDED
	case answered.Refusal != "":
		return refused(result, docklinev1.FaultClass_FAULT_CLASS_PROCESS, answered.Refusal), nil
	}
	return result, nil
}

func refused(r *docklinev1.CommandResult, class docklinev1.FaultClass, text string) *docklinev1.CommandResult {
	r.Outcome, r.Class, r.Text = docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED, class, text
	return r
}

// Find implements plugins.Sink.
func (s *sim) Find(_ context.Context, key string) (bool, uint64, error) {
	c, known := s.floor.answered(key)
	return known && c.Refusal == "", c.Version, nil
}

func commandOf(command *docklinev1.Command) (day.Command, error) {
	c := day.Command{Key: command.GetKey(), Version: command.GetVersion()}
	switch {
	case command.GetReleaseOrder() != nil:
		order := command.GetReleaseOrder().GetOrder()
		c.Release = &day.Order{Number: order.GetNumber()}
		for _, l := range order.GetLines() {
			quantity, err := event.ParseQuantity(l.GetQuantity().GetValue())
			if err != nil || quantity <= 0 {
				return c, fmt.Errorf("order %s line %s: quantity %q cannot be picked", order.GetNumber(), l.GetOrderLine(), l.GetQuantity().GetValue())
			}
			c.Release.Lines = append(c.Release.Lines, day.OrderLine{Line: l.GetOrderLine(), Item: l.GetItem(), Unit: l.GetQuantity().GetUnit(), Quantity: day.Micro(quantity)})
		}
	case command.GetCancelOrder() != nil:
		c.Cancel = command.GetCancelOrder().GetNumber()
	case command.GetRequestCount() != nil:
		c.Count = &day.CountRequest{Number: command.GetRequestCount().GetNumber()}
		for _, l := range command.GetRequestCount().GetLines() {
			c.Count.Rows = append(c.Count.Rows, day.StockRow{Bin: l.GetBin(), Item: l.GetItem(), Lot: l.GetLot()})
		}
	default:
		return c, fmt.Errorf("this dock does not know what to do with %s", command.GetKey())
	}
	return c, nil
}
