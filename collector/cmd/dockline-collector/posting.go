package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/posting"
)

type postingCommand struct {
	List   postingListCommand   `cmd:"" help:"List what systems are to be told, and how far that is."`
	Show   postingShowCommand   `cmd:"" help:"Print one posting: what is wanted, what was sent, what the system confirmed."`
	Retry  postingRetryCommand  `cmd:"" help:"Try one posting again, or as a job all of a target of which something is true."`
	Again  postingAgainCommand  `cmd:"" help:"Post again what was taken back or deleted in the system by hand and should not have been."`
	Waive  postingWaiveCommand  `cmd:"" help:"Leave a posting as it stands in the system, until what is wanted of it changes."`
	Jobs   postingJobsCommand   `cmd:"" help:"Say how far jobs that try many postings again have come."`
	Cancel postingCancelCommand `cmd:"" help:"End such a job; what it has not taken up stays as it is."`
	Pause  postingPauseCommand  `cmd:"" help:"Tell a system nothing until it is resumed."`
	Resume postingResumeCommand `cmd:"" help:"Tell a paused system again."`
	Timing postingTimingCommand `cmd:"" help:"Hold what postings took against what postings.yaml says that they may take."`
	Cutoff postingCutoffCommand `cmd:"" help:"List documents that bear another day than their own, because its period was closed."`
}

// postingsOf names whose postings they are.
type postingsOf struct {
	Tenant string `required:"" help:"Name of the tenant."`
	JSON   bool   `name:"json" help:"Print everything, for scripts."`
}

// act is what everybody who changes something gives.
type act struct {
	person
	Tenant string `required:"" help:"Name of the tenant."`
	Reason string `required:"" help:"Why, for those who ask later."`
	JSON   bool   `name:"json" help:"Print what it came to, for scripts."`
}

func (a act) say() posting.Say {
	return posting.Say{Tenant: a.Tenant, By: a.name(), Reason: a.Reason}
}

// postingRef reads a posting's name as lists print it: erp/goods_issue/SO1/SH1.
func postingRef(name string) (posting.Ref, error) {
	parts := strings.SplitN(strings.TrimPrefix(name, "posting/"), "/", 3)
	if len(parts) != 3 {
		return posting.Ref{}, wrong("%q: give TARGET/KIND/KEY, as `dockline-collector posting list` prints it", name)
	}
	return posting.Ref{Target: parts[0], Kind: connector.Kind(parts[1]), Key: parts[2]}, nil
}

type postingListCommand struct {
	postingsOf
	Target string   `help:"Only those to this system."`
	Kind   string   `help:"Only of this kind: goods_issue, invoice_trigger, ..."`
	State  []string `help:"Only in these states: planned, ready, sending, unknown, confirmed, diverged, correcting, rejected, blocked, superseded."`
	Code   string   `help:"Only with this fault."`
	Site   string   `help:"Only of this site."`
	Limit  int      `default:"200" help:"How many, the last changed first."`
}

// Run lists the last changed first, and says which targets are paused.
func (c *postingListCommand) Run(all *commands) error {
	return withDatabase(all, func(ctx context.Context, d *db.DB) error {
		f := posting.Filter{Tenant: c.Tenant, Target: c.Target, Kind: connector.Kind(c.Kind), Site: c.Site, Code: c.Code, Limit: c.Limit}
		for _, s := range c.State {
			if !slices.Contains(posting.States(), posting.State(s)) {
				return wrong("--state %q: one of %v", s, posting.States())
			}
			f.States = append(f.States, posting.State(s))
		}
		var list []posting.Entry
		pauses := map[string]*posting.Pause{}
		err := d.Read(ctx, func(tx *db.Tx) (err error) {
			if err := c.check(ctx, tx, all); err != nil {
				return err
			}
			if list, err = posting.List(ctx, tx, f); err != nil {
				return err
			}
			if err := posting.Explain(ctx, tx, list, time.Now()); err != nil {
				return err
			}
			for _, e := range list {
				if _, asked := pauses[e.Target]; asked {
					continue
				}
				if pauses[e.Target], err = posting.PauseOf(ctx, tx, e.Target); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if c.JSON {
			out := make([]postingJSON, len(list))
			for i := range list {
				out[i] = jsonOf(&list[i])
			}
			return printJSON(out)
		}
		for _, p := range pauses {
			if p != nil {
				fmt.Printf("%s is paused since %s by %s: %s\n", p.Target, p.At.Format("2006-01-02 15:04"), p.By, p.Reason)
			}
		}
		return printPostings(os.Stdout, list)
	})
}

func printPostings(out io.Writer, list []posting.Entry) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CHANGED\tPOSTING\tSTATE\tDOCUMENTS\tWHY")
	for _, e := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", e.ChangedAt.Format("2006-01-02 15:04:05"), e.Ref, e.State, documentsOf(e), whyOf(e))
	}
	return w.Flush()
}

// whyOf is why a posting stands as it stands, on one line.
func whyOf(e posting.Entry) string {
	var parts []string
	for _, text := range []string{strings.TrimSpace(e.Fault.Code + " " + e.Fault.Text), e.Waits} {
		if text != "" {
			parts = append(parts, text)
		}
	}
	return strings.ReplaceAll(strings.Join(parts, "; "), "\n", " ")
}

func documentsOf(e posting.Entry) string {
	var names []string
	for _, d := range e.Documents {
		names = append(names, d.GetNumber())
	}
	return strings.Join(names, " ")
}

// postingJSON is a posting as scripts read it.
type postingJSON struct {
	Posting     string          `json:"posting"`
	Target      string          `json:"target"`
	Kind        string          `json:"kind"`
	Key         string          `json:"key"`
	State       string          `json:"state"`
	Style       string          `json:"style"`
	Site        string          `json:"site,omitempty"`
	Order       string          `json:"fold_key"`
	Correlation string          `json:"correlation_id,omitempty"`
	Wanted      bool            `json:"wanted"`
	Waived      bool            `json:"waived,omitempty"`
	Generation  int64           `json:"generation"`
	Follows     string          `json:"follows,omitempty"`
	Timing      string          `json:"timing,omitempty"`
	NotBefore   time.Time       `json:"not_before,omitzero"`
	TookMS      int64           `json:"took_ms"`
	AllowedMS   int64           `json:"allowed_ms,omitempty"`
	Priority    string          `json:"priority"`
	PostingDate string          `json:"posting_date,omitempty"`
	Policy      string          `json:"policy"`
	Attempts    int64           `json:"attempts"`
	Code        string          `json:"code,omitempty"`
	Text        string          `json:"text,omitempty"`
	Remedy      string          `json:"remedy,omitempty"`
	Waits       string          `json:"waits_for,omitempty"`
	Documents   []string        `json:"documents,omitempty"`
	WantedNow   json.RawMessage `json:"document"`
	Booked      json.RawMessage `json:"booked,omitempty"`
	CreatedAt   time.Time       `json:"created_at"`
	ChangedAt   time.Time       `json:"changed_at"`
	ConfirmedAt time.Time       `json:"confirmed_at,omitzero"`
}

func jsonOf(e *posting.Entry) postingJSON {
	out := postingJSON{Posting: e.Ref.String(), Target: e.Target, Kind: string(e.Kind), Key: e.Key, State: string(e.State), Style: string(e.Style), Site: e.Site, Order: e.FoldKey,
		Correlation: e.CorrelationID, Wanted: e.Wanted, Waived: e.Waived, Generation: e.Generation, Follows: e.Follows, Timing: string(e.Timing), NotBefore: e.NotBefore, TookMS: e.Took(time.Now()).Milliseconds(), AllowedMS: e.Within.Milliseconds(), Priority: e.Priority.String(),
		PostingDate: e.PostingDate, Policy: e.PolicyVersion, Attempts: e.Attempts, Code: e.Fault.Code, Text: e.Fault.Text, Remedy: e.Fault.Remedy, Waits: e.Waits,
		WantedNow: documentJSON(e.Document), CreatedAt: e.CreatedAt, ChangedAt: e.ChangedAt, ConfirmedAt: e.ConfirmedAt}
	if e.Booked != nil {
		out.Booked = documentJSON(e.Booked)
	}
	for _, d := range e.Documents {
		out.Documents = append(out.Documents, strings.TrimSpace(d.GetKind()+" "+d.GetNumber()))
	}
	return out
}

func documentJSON(m proto.Message) json.RawMessage {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return json.RawMessage(`null`)
	}
	return text
}

// check refuses a filter that names what nobody knows.
func (c *postingListCommand) check(ctx context.Context, tx *db.Tx, all *commands) error {
	if err := checkPostings(ctx, tx, all, c.Tenant, c.Target, c.Kind, c.Site); err != nil || c.Code == "" {
		return err
	}
	there, err := posting.Codes(ctx, tx, c.Tenant)
	if err != nil {
		return err
	}
	had, err := exception.Known(ctx, tx, c.Tenant, "code")
	if err != nil {
		return err
	}
	return known("code", c.Code, there, had, policy.Default().Codes())
}

func checkPostings(ctx context.Context, tx *db.Tx, all *commands, tenant, target, kind, site string) error {
	config, err := collector.LoadConfig(all.Config)
	if err != nil {
		return err
	}
	tenants, err := view.Tenants(ctx, tx)
	if err != nil {
		return err
	}
	targets, err := targetsOf(ctx, tx, config, tenant)
	if err != nil {
		return err
	}
	kinds, err := kindsOf(ctx, tx, tenant)
	if err != nil {
		return err
	}
	sites, err := sitesOf(ctx, tx, tenant)
	if err != nil {
		return err
	}
	return cmp.Or(known("tenant", tenant, tenants), known("target", target, targets), known("kind", kind, kinds), known("site", site, sites))
}

type postingShowCommand struct {
	postingsOf
	Posting string `arg:"" help:"TARGET/KIND/KEY, as the list prints it."`
}

// Run prints the posting with what it needs and which events feed it.
func (c *postingShowCommand) Run(all *commands) error {
	ref, err := postingRef(c.Posting)
	if err != nil {
		return err
	}
	return withDatabase(all, func(ctx context.Context, d *db.DB) error {
		e, err := posting.Verdict(ctx, d, c.Tenant, ref, 0)
		if err != nil {
			return err
		}
		var needs []posting.Ref
		var events []string
		if err := explain(ctx, d, e); err != nil {
			return err
		}
		if err := d.Read(ctx, func(tx *db.Tx) (err error) {
			if needs, err = posting.Needs(ctx, tx, c.Tenant, ref); err != nil {
				return err
			}
			events, err = posting.EventIDs(ctx, tx, c.Tenant, ref)
			return err
		}); err != nil {
			return err
		}
		names := make([]string, len(needs))
		for i, n := range needs {
			names[i] = n.String()
		}
		if c.JSON {
			return printJSON(struct {
				postingJSON
				Needs  []string `json:"needs,omitempty"`
				Events []string `json:"event_ids,omitempty"`
			}{jsonOf(e), names, events})
		}
		return printPosting(os.Stdout, e, names, events)
	})
}

// tookOf is what a posting took, or has waited, beside what it may take.
func tookOf(e *posting.Entry) string {
	if e.WantedAt.IsZero() || e.State == posting.Superseded {
		return ""
	}
	took := e.Took(time.Now()).Round(time.Millisecond)
	switch {
	case e.Within == 0:
		return took.String()
	case took > e.Within:
		return fmt.Sprintf("%s, longer than the %s that it may take", took, e.Within)
	}
	return fmt.Sprintf("%s of the %s that it may take", took, e.Within)
}

func printPosting(out io.Writer, e *posting.Entry, needs, events []string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, value)
		}
	}
	stamp := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Format(time.RFC3339)
	}
	line("posting", e.Ref.String())
	line("state", string(e.State))
	line("why", strings.TrimSpace(e.Fault.Code+" "+e.Fault.Text))
	line("what to do", e.Fault.Remedy)
	line("waits for", strings.ReplaceAll(e.Waits, "; ", "\n\t"))
	line("documents", documentsOf(*e))
	line("of", e.FoldKey)
	line("site", e.Site)
	if e.Generation > 1 {
		line("made", fmt.Sprintf("for the %d. time: those before were reversed", e.Generation))
	}
	line("follows", e.Follows)
	line("posting date", e.PostingDate)
	line("timing", string(e.Timing))
	line("priority", e.Priority.String())
	line("not before", stamp(e.NotBefore))
	line("took", tookOf(e))
	line("attempts", fmt.Sprint(e.Attempts))
	line("needs", strings.Join(needs, " "))
	line("events", strings.Join(events, " "))
	line("policy", e.PolicyVersion)
	line("wanted since", stamp(e.WantedAt))
	line("changed", stamp(e.ChangedAt))
	line("confirmed", stamp(e.ConfirmedAt))
	line("wanted", string(documentJSON(e.Document)))
	if e.Booked != nil && e.State != posting.Confirmed {
		line("booked", string(documentJSON(e.Booked)))
	}
	return w.Flush()
}
