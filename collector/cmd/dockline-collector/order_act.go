package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
)

// orderAct is a command that does something with one order.
type orderAct struct {
	Tenant string `required:"" help:"Name of the tenant."`
	acting
	Order string `arg:"" help:"The order's number in the system of record."`
}

// do does it and prints what has become of it. Values that are "" are not given.
func (c *orderAct) do(all *commands, action string, set map[string]string) error {
	for name, value := range set {
		if value == "" {
			delete(set, name)
		}
	}
	return withDesk(all, func(ctx context.Context, desk *collector.Desk) error {
		var said string
		var applied bool
		err := desk.DB.Write(ctx, func(tx *db.Tx) (err error) {
			said, applied, err = desk.ActOnOrder(ctx, tx, c.Tenant, c.Order, action, c.acting.acting(set))
			return err
		})
		if err != nil {
			return err
		}
		if !applied {
			return foundWrong{fmt.Errorf("order %s: %s", c.Order, said)}
		}
		fmt.Printf("order %s: %s\n", c.Order, said)
		return nil
	})
}

type orderHoldCommand struct {
	orderAct
	Code  string `help:"Which hold, as credit or address; one is released alone. By default customer_service."`
	Until string `help:"Until when, a time like 2026-12-01T08:00:00Z; it does not end by itself."`
}

// Run holds.
func (c *orderHoldCommand) Run(all *commands) error {
	return c.do(all, "hold", map[string]string{"code": c.Code, "until": c.Until})
}

type orderReleaseCommand struct {
	orderAct
	Code string `help:"Which hold, where there are several."`
}

// Run releases a hold.
func (c *orderReleaseCommand) Run(all *commands) error {
	return c.do(all, "release_hold", map[string]string{"code": c.Code})
}

type orderCancelCommand struct {
	orderAct
	Requester string   `help:"Who wishes it; by default who does this."`
	Line      []string `placeholder:"LINE=QUANTITY" help:"So much of a line alone; once for each. By default the whole order."`
}

// Run asks the system of record to cancel.
func (c *orderCancelCommand) Run(all *commands) error {
	return c.do(all, "request_cancel", map[string]string{"requester": c.Requester, "lines": strings.Join(c.Line, ",")})
}

type orderSplitCommand struct {
	orderAct
	Line []string `required:"" placeholder:"LINE=QUANTITY" help:"So much of a line; once for each."`
}

// Run asks the system of record to split.
func (c *orderSplitCommand) Run(all *commands) error {
	return c.do(all, "split", map[string]string{"lines": strings.Join(c.Line, ",")})
}

type orderMoveCommand struct {
	orderAct
	To string `required:"" placeholder:"SITE" help:"Which site is to ship it."`
}

// Run asks the system of record to move.
func (c *orderMoveCommand) Run(all *commands) error {
	return c.do(all, "move", map[string]string{"to": c.To})
}
