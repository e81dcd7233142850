package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
)

// acting is who does something about exceptions, and why.
type acting struct {
	person
	Reason string `required:"" help:"Why, for those who ask later."`
}

func (a *acting) acting(set map[string]string) exception.Acting {
	return exception.Acting{By: a.name(), Reason: a.Reason, Set: set, Now: time.Now()}
}

type exceptionsActCommand struct {
	exceptionFilter
	acting
	What []string          `arg:"" name:"n-action" help:"Numbers of exceptions, and what to do (exceptions actions lists it): 17 retry."`
	All  bool              `help:"About all that the filter names, in the place of numbers."`
	Set  map[string]string `placeholder:"KEY=VALUE" help:"A value that the action takes; once for each."`
	JSON bool              `name:"json" help:"Print the counts, for scripts."`

	action  string
	numbers []uint64
}

// Validate wants an action, and either numbers or a filter.
func (c *exceptionsActCommand) Validate() error {
	c.action, c.numbers = "", nil
	for _, word := range c.What {
		n, err := strconv.ParseUint(word, 10, 64)
		switch {
		case err == nil:
			c.numbers = append(c.numbers, n)
		case c.action != "":
			return wrong("%s and %s: give one action", c.action, word)
		default:
			c.action = word
		}
	}
	switch {
	case c.action == "":
		return wrong("say what to do: exceptions actions N lists what can be done")
	case (len(c.numbers) == 0) != c.All:
		return wrong("give the numbers of exceptions, or --all with a filter")
	}
	return nil
}

// Run does it about one, or about many with counts; the exit code is 1 where it was done about none, or not about one that was named.
func (c *exceptionsActCommand) Run(all *commands) error {
	return withDesk(all, func(ctx context.Context, desk *collector.Desk) error {
		if c.All {
			done, err := desk.ActOnAll(ctx, c.Tenant, c.filter(time.Now()), c.action, c.acting.acting(c.Set))
			if printed := c.print(done); err == nil {
				err = printed
			}
			if err == nil && done.Done == 0 && done.Refused > 0 {
				err = fmt.Errorf("%s could not be done about any of them", c.action)
			}
			return err
		}
		var faults []error
		for _, n := range c.numbers {
			said, err := desk.Act(ctx, c.Tenant, n, c.action, c.acting.acting(c.Set))
			if err == nil && !c.JSON {
				fmt.Printf("exception %d: %s\n", n, said)
			}
			faults = append(faults, err)
		}
		return errors.Join(faults...)
	})
}

func (c *exceptionsActCommand) print(b collector.Bulk) error {
	if c.JSON {
		return printJSON(b)
	}
	fmt.Printf("%s: done about %d exceptions, refused for %d\n", c.action, b.Done, b.Refused)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, r := range b.Reasons {
		fmt.Fprintf(w, "  %d\t%s (the first is %d)\n", r.N, r.Text, r.First)
	}
	return w.Flush()
}

// oneAct is a command for one exception and one action.
type oneAct struct {
	oneException
	acting
}

func (c *oneAct) do(all *commands, action string, set map[string]string) error {
	return withDesk(all, func(ctx context.Context, desk *collector.Desk) error {
		said, err := desk.Act(ctx, c.Tenant, c.Number, action, c.acting.acting(set))
		if err == nil {
			fmt.Printf("exception %d: %s\n", c.Number, said)
		}
		return err
	})
}

type exceptionsAckCommand struct {
	oneException
	person
	Reason string `default:"seen" help:"What to note with it."`
}

// Run acknowledges.
func (c *exceptionsAckCommand) Run(all *commands) error {
	return (&oneAct{c.oneException, acting{c.person, c.Reason}}).do(all, "acknowledge", nil)
}

type exceptionsStartCommand struct {
	oneException
	person
	Reason string `default:"begun" help:"What to note with it."`
}

// Run says that somebody works on it.
func (c *exceptionsStartCommand) Run(all *commands) error {
	return (&oneAct{c.oneException, acting{c.person, c.Reason}}).do(all, "start", nil)
}

type exceptionsAssignCommand struct {
	oneAct
	Person string `help:"Who has it from now on; none for nobody in particular."`
	Team   string `help:"Which team has it from now on; none for the one that policy names."`
}

// Run gives it to somebody.
func (c *exceptionsAssignCommand) Run(all *commands) error {
	set := map[string]string{}
	if c.Person != "" {
		set["person"] = c.Person
	}
	if c.Team != "" {
		set["team"] = c.Team
	}
	return c.do(all, "assign", set)
}

type exceptionsCommentCommand struct {
	oneException
	person
	Text string `arg:"" help:"What to write."`
}

// Run notes it.
func (c *exceptionsCommentCommand) Run(all *commands) error {
	return (&oneAct{c.oneException, acting{c.person, c.Text}}).do(all, "comment", nil)
}

type exceptionsSnoozeCommand struct {
	oneAct
	Until string `required:"" help:"A time like 2026-12-01T08:00:00Z, or how long, like 36h."`
}

// Run puts it off.
func (c *exceptionsSnoozeCommand) Run(all *commands) error {
	return c.do(all, "snooze", map[string]string{"until": c.Until})
}

type exceptionsResolveCommand struct {
	oneAct
	Waive bool `help:"Leave it as it is although its cause stays; it opens again only when it becomes another one."`
}

// Run closes it.
func (c *exceptionsResolveCommand) Run(all *commands) error {
	if c.Waive {
		return c.do(all, "waive", nil)
	}
	return c.do(all, "resolve", nil)
}

type exceptionsActionsCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	Key    string `arg:"" help:"Number of an exception, or what else to do something with: order/NUMBER, shipment/SITE/NUMBER, return/RMA, posting/TARGET/KIND/KEY."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Run lists them, those that cannot be done now with the reason.
func (c *exceptionsActionsCommand) Run(all *commands) error {
	return withDesk(all, func(ctx context.Context, desk *collector.Desk) error {
		offers := []exception.Offer{}
		err := desk.DB.Read(ctx, func(tx *db.Tx) error {
			found, err := desk.Offers(ctx, tx, c.Tenant, c.Key)
			offers = append(offers, found...)
			return err
		})
		switch {
		case err != nil:
			return err
		case c.JSON:
			return printJSON(offers)
		}
		return printOffers(os.Stdout, offers)
	})
}
