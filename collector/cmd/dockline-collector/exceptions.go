package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/api"
	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/notice"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

type exceptionsCommand struct {
	List    exceptionsListCommand    `cmd:"" help:"List what needs a person, the last changed first."`
	Show    exceptionsShowCommand    `cmd:"" help:"Show one: what happened, what it holds up, what was done about it, and what can be done."`
	Groups  exceptionsGroupsCommand  `cmd:"" help:"List groups of exceptions that one cause may have made."`
	Impact  exceptionsImpactCommand  `cmd:"" help:"Say what exceptions hold up together: customers, orders, lines, value."`
	Actions exceptionsActionsCommand `cmd:"" help:"List what can be done about an exception, or with an order, shipment, return or posting."`
	Act     exceptionsActCommand     `cmd:"" help:"Do something about one exception, or about all that a filter names."`
	Notices exceptionsNoticesCommand `cmd:"" help:"List what people were told, or are about to be."`

	Ack     exceptionsAckCommand     `cmd:"" help:"Say that you have seen it."`
	Start   exceptionsStartCommand   `cmd:"" help:"Say that you work on it."`
	Assign  exceptionsAssignCommand  `cmd:"" help:"Give it to a person or a team."`
	Comment exceptionsCommentCommand `cmd:"" help:"Write something about it."`
	Snooze  exceptionsSnoozeCommand  `cmd:"" help:"Hear nothing of it until a time."`
	Resolve exceptionsResolveCommand `cmd:"" help:"Say that its cause is removed; where it is not, it opens again after an hour. With --waive it is left as it is, where policy allows that."`
}

// exceptionFilter says which exceptions a command is about.
type exceptionFilter struct {
	Tenant   string `required:"" help:"Name of the tenant."`
	State    string `enum:",open,acknowledged,working,suppressed,reopened,resolved,all" default:"" help:"open, acknowledged, working, suppressed, reopened, resolved, or all; without it all that are not resolved."`
	Team     string `help:"Only those that a team has."`
	Assignee string `help:"Only those that a person has."`
	Class    string `enum:",technical,data,process" default:"" help:"technical, data or process."`
	Severity string `enum:",info,warning,error" default:"" help:"The least severity: info, warning or error."`
	Code     string `help:"Only those with a code, as short_pick."`
	Group    string `help:"Only those of a group, as exceptions groups lists it."`
	Site     string `help:"Only those of a site."`
	Order    string `help:"Only those of an order."`
	Customer string `help:"Only those of a customer."`
	Target   string `help:"Only those about a system."`
	Late     bool   `help:"Only those that are past their due time."`
}

func (f *exceptionFilter) filter(now time.Time) exception.Filter {
	out := exception.Filter{Team: f.Team, Assignee: f.Assignee, Code: f.Code, Group: f.Group, Site: f.Site, Order: f.Order, Customer: f.Customer, Target: f.Target,
		Class:      map[string]docklinev1.FaultClass{"technical": 1, "data": 2, "process": 3}[f.Class],
		Least:      map[string]docklinev1.Severity{"info": 1, "warning": 2, "error": 3}[f.Severity],
		Unresolved: f.State == ""}
	if f.State != "all" {
		out.State = exception.State(f.State)
	}
	if f.Late {
		out.DueBefore, out.Unresolved = now, true
	}
	return out
}

type exceptionsListCommand struct {
	exceptionFilter
	Grouped bool `help:"One line for each group, as exceptions groups."`
	Limit   int  `default:"100" help:"How many."`
	JSON    bool `name:"json" help:"Print everything, for scripts; the fields are those of GET /api/v1/exceptions."`
}

// Run prints one line each.
func (c *exceptionsListCommand) Run(all *commands) error {
	if c.Grouped {
		return (&exceptionsGroupsCommand{exceptionFilter: c.exceptionFilter, Limit: c.Limit, JSON: c.JSON}).Run(all)
	}
	return withDesk(all, func(ctx context.Context, desk *collector.Desk) error {
		if err := c.checked(ctx, all, desk); err != nil {
			return err
		}
		d := desk.DB
		f := c.filter(time.Now())
		f.Limit = c.Limit
		var found []exception.Exception
		var total int64
		err := d.Read(ctx, func(tx *db.Tx) (err error) {
			if total, err = exception.Total(ctx, tx, c.Tenant, f); err != nil {
				return err
			}
			found, err = exception.List(ctx, tx, c.Tenant, f)
			return err
		})
		if err != nil {
			return err
		}
		if c.JSON {
			page := api.Exceptions{Exceptions: []api.Exception{}, Total: total}
			for i := range found {
				page.Exceptions = append(page.Exceptions, api.ExceptionOf(&found[i]))
			}
			return printJSON(page)
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "N\tSTATE\tSEVERITY\tCLASS\tTEAM\tPERSON\tDUE\tLEVEL\tCODE\tTITLE")
		for _, e := range found {
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", e.Number, e.State, severityName(e.Severity), className(e.Class), e.Team, orElse(e.Assignee, "-"),
				dueText(&e, time.Now()), e.Level, e.Code, e.Title)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if more := total - int64(len(found)); more > 0 {
			fmt.Printf("and %d more; --limit shows them, exceptions groups counts them\n", more)
		}
		return nil
	})
}

func severityName(s docklinev1.Severity) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "SEVERITY_"))
}

func className(c docklinev1.FaultClass) string {
	return strings.ToLower(strings.TrimPrefix(c.String(), "FAULT_CLASS_"))
}

// dueText is when an exception is due, or how late it is.
func dueText(e *exception.Exception, now time.Time) string {
	switch {
	case e.State == exception.Resolved:
		return "-"
	case e.State == exception.Suppressed:
		return "put off until " + e.SnoozedUntil.Format("2006-01-02 15:04")
	case e.Overdue(now):
		return "late since " + e.DueAt.Format("2006-01-02 15:04")
	}
	return e.DueAt.Format("2006-01-02 15:04")
}

type exceptionsGroupsCommand struct {
	exceptionFilter
	Limit int  `default:"100" help:"How many."`
	JSON  bool `name:"json" help:"Print everything, for scripts."`
}

// Run prints the largest group first.
func (c *exceptionsGroupsCommand) Run(all *commands) error {
	return withDesk(all, func(ctx context.Context, desk *collector.Desk) error {
		if err := c.checked(ctx, all, desk); err != nil {
			return err
		}
		d := desk.DB
		f := c.filter(time.Now())
		f.Limit = c.Limit
		var found []exception.Group
		err := d.Read(ctx, func(tx *db.Tx) (err error) {
			found, err = exception.Groups(ctx, tx, c.Tenant, f)
			return err
		})
		if err != nil {
			return err
		}
		if c.JSON {
			groups := []api.ExceptionGroup{}
			for i := range found {
				groups = append(groups, api.GroupOf(&found[i]))
			}
			return printJSON(groups)
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "EXCEPTIONS\tORDERS\tCUSTOMERS\tSEVERITY\tFIRST DUE\tGROUP\tFIRST\tTITLE OF THE FIRST")
		for _, g := range found {
			fmt.Fprintf(w, "%d\t%d\t%d\t%s\t%s\t%s\t%d\t%s\n", g.N, g.Orders, g.Customers, severityName(g.Severity), g.DueAt.Format("2006-01-02 15:04"), g.Key, g.First, g.Title)
		}
		return w.Flush()
	})
}

type exceptionsImpactCommand struct {
	exceptionFilter
	Number []uint64 `arg:"" optional:"" help:"Numbers of exceptions; without them all that the filter names."`
	JSON   bool     `name:"json" help:"Print everything, for scripts."`
}

// Run adds up what they hold up together.
func (c *exceptionsImpactCommand) Run(all *commands) error {
	return withDesk(all, func(ctx context.Context, desk *collector.Desk) error {
		if err := c.checked(ctx, all, desk); err != nil {
			return err
		}
		d := desk.DB
		var out view.Impact
		err := d.Read(ctx, func(tx *db.Tx) (err error) {
			var list []exception.Exception
			for _, n := range c.Number {
				e, err := exception.Get(ctx, tx, c.Tenant, n)
				if err != nil {
					return err
				}
				list = append(list, *e)
			}
			if len(c.Number) == 0 {
				f := c.filter(time.Now())
				f.Limit = 1_000_000
				if list, err = exception.List(ctx, tx, c.Tenant, f); err != nil {
					return err
				}
			}
			out, err = view.ImpactOf(ctx, tx, c.Tenant, list...)
			return err
		})
		switch {
		case err != nil:
			return err
		case c.JSON:
			return printJSON(out)
		}
		fmt.Println(orElse(out.Text(), "nothing that is known of waits for it"))
		if len(out.Orders) > 0 {
			fmt.Printf("orders: %s\n", strings.Join(out.Orders, ", "))
		}
		if len(out.Customers) > 0 {
			fmt.Printf("customers: %s\n", strings.Join(out.Customers, ", "))
		}
		return nil
	})
}

type oneException struct {
	Tenant string `required:"" help:"Name of the tenant."`
	Number uint64 `arg:"" help:"Number of the exception."`
}

type exceptionsShowCommand struct {
	oneException
	JSON bool `name:"json" help:"Print everything, for scripts."`
}

// shownException is one with all that hangs on it.
type shownException struct {
	api.Exception
	Impact view.Impact       `json:"impact"`
	Notes  []exception.Note  `json:"notes"`
	Offers []exception.Offer `json:"actions"`
}

// Run prints it with its history and its actions.
func (c *exceptionsShowCommand) Run(all *commands) error {
	return withDesk(all, func(ctx context.Context, desk *collector.Desk) error {
		var e *exception.Exception
		shown := shownException{Notes: []exception.Note{}}
		err := desk.DB.Read(ctx, func(tx *db.Tx) (err error) {
			if e, err = exception.Get(ctx, tx, c.Tenant, c.Number); err != nil {
				return err
			}
			if shown.Impact, err = view.ImpactOf(ctx, tx, c.Tenant, *e); err != nil {
				return err
			}
			shown.Offers = desk.Actions.Offers(ctx, tx, e)
			notes, err := exception.Notes(ctx, tx, c.Tenant, c.Number)
			shown.Notes = append(shown.Notes, notes...)
			return err
		})
		if err != nil {
			return err
		}
		shown.Exception = api.ExceptionOf(e)
		if c.JSON {
			return printJSON(shown)
		}
		return printException(os.Stdout, e, &shown)
	})
}

func printException(out io.Writer, e *exception.Exception, shown *shownException) error {
	fmt.Fprintf(out, "%d %s\n%s\n\n", e.Number, e.Title, e.Text)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, value)
		}
	}
	closed := ""
	if e.State == exception.Resolved {
		closed = ", " + strings.TrimSpace(string(e.Closed)+" "+e.ClosedBy)
	}
	line("State", string(e.State)+closed)
	line("Class", className(e.Class)+", "+severityName(e.Severity)+" ("+e.Code+")")
	line("Team", e.Team)
	line("Person", e.Assignee)
	line("Due", dueText(e, time.Now()))
	if e.Level > 0 {
		line("Escalated", fmt.Sprintf("level %d", e.Level))
	}
	line("About", e.Subject)
	line("Order", e.Order)
	line("Customer", e.Customer)
	line("Site", e.Site)
	line("System", e.Target)
	line("Holds up", shown.Impact.Text())
	line("Opened", stamp(e.OpenedAt)+timesText(e.Times))
	for _, n := range shown.Notes {
		line(stamp(n.At), strings.TrimSpace(n.Person+" "+n.Kind)+": "+n.Text)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	return printOffers(out, shown.Offers)
}

func timesText(times int) string {
	if times > 1 {
		return fmt.Sprintf(", %d times", times)
	}
	return ""
}

func printOffers(out io.Writer, offers []exception.Offer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ACTION\tWHAT IT DOES\tNEEDS")
	for _, o := range offers {
		needs := o.Scope
		for _, s := range o.Sets {
			needs += ", --set " + s.Name + "=..."
		}
		if o.Not != "" {
			needs = "not now: " + o.Not
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", o.Name, o.Title, needs)
	}
	return w.Flush()
}

type exceptionsNoticesCommand struct {
	Tenant string `required:"" help:"Name of the tenant."`
	State  string `enum:",waiting,sent,listed,failed" default:"" help:"waiting, sent, listed (it went nowhere) or failed."`
	Team   string `help:"Only those to a team."`
	Limit  int    `default:"50" help:"How many, the newest first."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// Run lists the newest first.
func (c *exceptionsNoticesCommand) Run(all *commands) error {
	return withTenant(all, c.Tenant, func(ctx context.Context, d *db.DB) error {
		found := []notice.Notice{}
		err := d.Read(ctx, func(tx *db.Tx) error {
			list, err := notice.List(ctx, tx, c.Tenant, notice.Filter{State: notice.State(c.State), Team: c.Team, Limit: c.Limit})
			found = append(found, list...)
			return err
		})
		switch {
		case err != nil:
			return err
		case c.JSON:
			return printJSON(found)
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "N\tCREATED\tSTATE\tTEAM\tKIND\tEXCEPTIONS\tTITLE\tTO")
		for _, n := range found {
			to := strings.Join(n.Recipients, ", ")
			if n.Text != "" {
				to = strings.TrimSpace(to + " " + strings.ReplaceAll(n.Text, "\n", "; "))
			}
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", n.Number, n.Created.Format("2006-01-02 15:04:05"), n.State, n.Team, n.Kind, n.N, n.Title, to)
		}
		return w.Flush()
	})
}

// withDesk opens the configured database and the policy in force for one command.
func withDesk(all *commands, f func(context.Context, *collector.Desk) error) error {
	config, err := collector.LoadConfig(all.Config)
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	desk, err := collector.OpenDesk(ctx, config)
	if err != nil {
		return err
	}
	defer desk.Close()
	if err := knownTenant(ctx, desk.DB, all.tenant); err != nil {
		return err
	}
	return f(ctx, desk)
}
