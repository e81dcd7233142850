package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/deadletter"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

type deadletterCommand struct {
	List    deadletterListCommand    `cmd:"" help:"List records that were refused."`
	Show    deadletterShowCommand    `cmd:"" help:"Show one: what came, what is wrong with it and where it stood, and its corrections."`
	Edit    deadletterEditCommand    `cmd:"" help:"Write a correction of one; it is checked, and not yet entered."`
	Requeue deadletterRequeueCommand `cmd:"" help:"Enter corrections, or records that are no longer refused, in their place."`
	Discard deadletterDiscardCommand `cmd:"" help:"Say that one is to have no effect."`
	Export  deadletterExportCommand  `cmd:"" help:"Write all of them, whole, one JSON object a line."`
}

// deadletterFilter says which.
type deadletterFilter struct {
	Tenant string        `required:"" help:"Name of the tenant."`
	State  string        `enum:"open,requeued,discarded,all" default:"open" help:"open, requeued, discarded or all."`
	Site   string        `help:"Only of this site."`
	Plugin string        `help:"Only of this plugin, or connector."`
	Code   string        `help:"Only with this code, like number_format."`
	Order  string        `help:"Only those that name this order."`
	Older  time.Duration `help:"Only those that happened longer ago: 24h."`
	Limit  int           `default:"100" help:"At most so many."`
}

func (f *deadletterFilter) filter() deadletter.Filter {
	out := deadletter.Filter{State: deadletter.State(f.State), Site: f.Site, Source: f.Plugin, Code: f.Code, Order: f.Order, Limit: f.Limit}
	if f.State == "all" {
		out.State = ""
	}
	if f.Older > 0 {
		out.Before = time.Now().Add(-f.Older)
	}
	return out
}

type deadletterListCommand struct {
	deadletterFilter
	JSON bool `name:"json" help:"Print everything, for scripts."`
}

// letterJSON is a dead letter as --json prints it.
type letterJSON struct {
	ID          string     `json:"id"`
	Key         string     `json:"key"`
	State       string     `json:"state"`
	Site        string     `json:"site"`
	Plugin      string     `json:"plugin"`
	Class       string     `json:"class"`
	Code        string     `json:"code"`
	Order       string     `json:"order,omitempty"`
	Since       time.Time  `json:"since"`
	Corrections int64      `json:"corrections"`
	By          string     `json:"by,omitempty"`
	Reason      string     `json:"reason,omitempty"`
	CorrectedBy string     `json:"corrected_by,omitempty"`
	Text        string     `json:"text,omitempty"`
	Where       string     `json:"where,omitempty"`
	Raw         string     `json:"raw,omitempty"`
	RawBytes    []byte     `json:"raw_base64,omitempty"`
	Event       any        `json:"event,omitempty"`
	Edits       []editJSON `json:"edits,omitempty"`
}

type editJSON struct {
	Version    int64     `json:"version"`
	By         string    `json:"by"`
	Reason     string    `json:"reason"`
	At         time.Time `json:"at"`
	Difference []string  `json:"difference"`
}

func letterOf(l *deadletter.Letter) letterJSON {
	return letterJSON{ID: l.EventID, Key: l.Key, State: string(l.State), Site: l.Site, Plugin: l.Source, Class: classWord(l.Class), Code: l.Code, Order: l.Order, Since: l.Since,
		Corrections: l.Edits, By: l.By, Reason: l.Reason, CorrectedBy: l.CorrectedBy}
}

func classWord(c docklinev1.FaultClass) string {
	return strings.ToLower(strings.TrimPrefix(c.String(), "FAULT_CLASS_"))
}

// Run lists them by key, and how many envelopes could not be read.
func (c *deadletterListCommand) Run(all *commands) error {
	return withDatabase(all, func(ctx context.Context, d *db.DB) error {
		var found []deadletter.Letter
		var envelopes map[string]int64
		err := d.Read(ctx, func(tx *db.Tx) (err error) {
			if found, err = deadletter.List(ctx, tx, c.Tenant, c.filter()); err != nil {
				return err
			}
			envelopes, err = deadletter.Envelopes(ctx, tx, c.Tenant)
			return err
		})
		if err != nil {
			return err
		}
		if c.JSON {
			out := struct {
				Letters   []letterJSON     `json:"dead_letters"`
				Envelopes map[string]int64 `json:"unreadable_envelopes"`
			}{[]letterJSON{}, envelopes}
			for i := range found {
				out.Letters = append(out.Letters, letterOf(&found[i]))
			}
			return printJSON(out)
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tSTATE\tSITE\tPLUGIN\tCLASS\tCODE\tORDER\tHAPPENED\tCORRECTIONS")
		for _, l := range found {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", l.EventID[:min(12, len(l.EventID))], l.State, cmp.Or(l.Site, "-"), l.Source, classWord(l.Class), l.Code, cmp.Or(l.Order, "-"), stamp(l.Since), l.Edits)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		for site, n := range envelopes {
			fmt.Printf("site %s: %d envelopes arrived whole and cannot be read; deadletter requeue --envelopes tries them again\n", site, n)
		}
		return nil
	})
}

// oneLetter names one.
type oneLetter struct {
	Tenant string `required:"" help:"Name of the tenant."`
	ID     string `arg:"" help:"The dead letter's id, or its beginning, as deadletter list prints it."`
}

type deadletterShowCommand struct {
	oneLetter
	JSON bool `name:"json" help:"Print everything, for scripts."`
}

// Run prints one whole.
func (c *deadletterShowCommand) Run(all *commands) error {
	return withLetters(all, func(ctx context.Context, centre *collector.Centre, desk *deadletter.Desk) error {
		var out letterJSON
		var correction *docklinev1.Event
		err := centre.DB.Read(ctx, func(tx *db.Tx) error {
			l, err := deadletter.Get(ctx, tx, c.Tenant, c.ID)
			if err != nil {
				return err
			}
			out, correction, err = wholeLetter(ctx, tx, desk, l)
			return err
		})
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(out)
		}
		fmt.Printf("Dead letter %s of %s, plugin %s: %s\n%s fault %s, happened %s\n\n%s\n", out.ID, cmp.Or(out.Site, "the centre"), out.Plugin, out.State, out.Class, out.Code, stamp(out.Since), out.Text)
		if out.Where != "" {
			fmt.Printf("It stood in %s.\n", out.Where)
		}
		if out.Raw != "" {
			fmt.Printf("It came as:\n  %s\n", strings.ReplaceAll(strings.TrimRight(out.Raw, "\r\n"), "\n", "\n  "))
		}
		for _, e := range out.Edits {
			fmt.Printf("\nCorrection %d by %s, %s: %s\n  %s\n", e.Version, e.By, stamp(e.At), e.Reason, strings.Join(e.Difference, "\n  "))
		}
		if out.State != string(deadletter.Open) {
			fmt.Printf("\n%s by %s: %s\n", out.State, out.By, out.Reason)
			if out.CorrectedBy != "" {
				fmt.Printf("Event %s was entered in its place.\n", out.CorrectedBy)
			}
			return nil
		}
		text, err := protojson.MarshalOptions{Multiline: true, UseProtoNames: true}.Marshal(correction)
		if err != nil {
			return err
		}
		fmt.Printf("\nAs it would be entered, to be put right with deadletter edit --set, or in a file:\n%s\n", text)
		return nil
	})
}

// wholeLetter is a dead letter with all that is known of it, and the correction as it stands, or a template.
func wholeLetter(ctx context.Context, tx *db.Tx, desk *deadletter.Desk, l *deadletter.Letter) (letterJSON, *docklinev1.Event, error) {
	out := letterOf(l)
	e, err := desk.Event(ctx, tx, l.Tenant, l.EventID)
	if err != nil {
		return out, nil, err
	}
	d := e.GetDeadLetter()
	out.Text, out.Where = d.GetText(), state.Where(d)
	if raw := d.GetRaw(); len(raw) > 0 {
		out.Raw, out.RawBytes = strings.ToValidUTF8(string(raw), "\ufffd"), raw
	}
	edits, err := deadletter.Edits(ctx, tx, l.Tenant, l.EventID)
	if err != nil {
		return out, nil, err
	}
	for _, edit := range edits {
		out.Edits = append(out.Edits, editJSON{edit.Version, edit.By, edit.Reason, edit.At, strings.Split(edit.Difference, "\n")})
	}
	correction, err := desk.Current(ctx, tx, e)
	if correction == nil {
		correction = deadletter.Template(e)
	}
	if text, marshalled := (protojson.MarshalOptions{UseProtoNames: true}).Marshal(correction); marshalled == nil {
		out.Event = json.RawMessage(text)
	}
	return out, correction, err
}

type deadletterEditCommand struct {
	oneLetter
	person
	Set    map[string]string `mapsep:"none" placeholder:"FIELD=VALUE" help:"Put one field right, as pick.lines[0].quantity.value=5; may be given several times."`
	File   string            `type:"existingfile" help:"The whole event as JSON, as deadletter show prints it."`
	Reason string            `required:"" help:"Why, for those who ask later."`
	Enter  bool              `help:"Enter it at once."`
}

// Help is shown below the usage.
func (deadletterEditCommand) Help() string {
	return `The correction is held against the rules of its kind, as if a site had sent it, and refused with what is wrong where it breaks one. The record stays as
it came; every correction is kept beside it, with who wrote it, why, and what differs. It has an effect only once it is entered: with --enter, or with
deadletter requeue.`
}

// Run keeps the correction.
func (c *deadletterEditCommand) Run(all *commands) error {
	if len(c.Set) == 0 && c.File == "" {
		return errors.New("give --set FIELD=VALUE, or --file with the whole event")
	}
	return withLetters(all, func(ctx context.Context, centre *collector.Centre, desk *deadletter.Desk) error {
		who := deadletter.Who{By: c.name(), Reason: c.Reason}
		var difference string
		var entered *docklinev1.Event
		err := centre.DB.Write(ctx, func(tx *db.Tx) (err error) {
			if difference, err = desk.Edit(ctx, tx, c.Tenant, c.ID, who, c.change); err != nil || !c.Enter {
				return err
			}
			entered, err = desk.Requeue(ctx, tx, c.Tenant, c.ID, who)
			return err
		})
		if err != nil {
			return err
		}
		fmt.Println(difference)
		if entered == nil {
			fmt.Println("kept; enter it with deadletter requeue")
			return nil
		}
		fmt.Printf("entered as event %s\n", entered.GetId())
		return nil
	})
}

func (c *deadletterEditCommand) change(e *docklinev1.Event) (*docklinev1.Event, error) {
	if c.File != "" {
		text, err := os.ReadFile(c.File)
		if err != nil {
			return nil, err
		}
		e = &docklinev1.Event{}
		if err := protojson.Unmarshal(text, e); err != nil {
			return nil, fmt.Errorf("%s: %w", c.File, err)
		}
	}
	for field, value := range c.Set {
		if err := deadletter.Set(e, field, value); err != nil {
			return nil, fmt.Errorf("--set %w", err)
		}
	}
	return e, nil
}

type deadletterRequeueCommand struct {
	person
	deadletterFilter
	IDs       []string `arg:"" optional:"" name:"id" help:"The dead letters, by the beginnings of their ids."`
	All       bool     `help:"All that the flags name and that can be entered: those with a correction, and those that nothing is wrong with any more."`
	Envelopes bool     `help:"Try envelopes again that arrived whole and could not be read, those of --site or all."`
	Reason    string   `required:"" help:"Why, for those who ask later."`
	JSON      bool     `name:"json" help:"Print what became of each, for scripts."`
}

// Help is shown below the usage.
func (deadletterRequeueCommand) Help() string {
	return `A correction is entered under an id that comes of the record's own, so that it is there once however often this is done. It stands for the record that its
source calls so: what the source tells of that record afterwards, as when the corrected row is read again, counts in its place, and nothing happens
twice. Where the source gives its rows no key, the two cannot be told apart; do not enter such a row if it will be exported again.

After a mapping or a program was mended, --all --code CODE enters what was refused for that reason and is no longer. Each is entered by itself; one that
is still wrong stays, and the command says why and ends with 1.`
}

// requeuedJSON is what became of one.
type requeuedJSON struct {
	ID    string `json:"id"`
	Event string `json:"event,omitempty"`
	Fault string `json:"fault,omitempty"`
}

// Run enters them one by one.
func (c *deadletterRequeueCommand) Run(all *commands) error {
	if len(c.IDs) == 0 && !c.All && !c.Envelopes {
		return errors.New("name dead letters, or give --all or --envelopes")
	}
	return withLetters(all, func(ctx context.Context, centre *collector.Centre, desk *deadletter.Desk) error {
		if c.Envelopes {
			return c.envelopes(ctx, centre)
		}
		var done []requeuedJSON
		failed := 0
		enter := func(id string) error {
			var e *docklinev1.Event
			err := centre.DB.Write(ctx, func(tx *db.Tx) (err error) {
				e, err = desk.Requeue(ctx, tx, c.Tenant, id, deadletter.Who{By: c.name(), Reason: c.Reason})
				return err
			})
			if ctx.Err() != nil {
				return ctx.Err()
			}
			out := requeuedJSON{ID: id, Event: e.GetId()}
			if err != nil {
				out.Event, out.Fault = "", err.Error()
				failed++
			}
			done = append(done, out)
			return nil
		}
		for _, id := range c.IDs {
			if err := enter(id); err != nil {
				return err
			}
		}
		if c.All {
			if err := c.each(ctx, centre, enter); err != nil {
				return err
			}
		}
		return c.print(done, failed)
	})
}

// each gives every dead letter that the flags name to f, page by page.
func (c *deadletterRequeueCommand) each(ctx context.Context, centre *collector.Centre, f func(id string) error) error {
	filter := c.filter()
	filter.State = deadletter.Open
	for left := c.Limit; left > 0; {
		filter.Limit = min(left, 100)
		var page []deadletter.Letter
		if err := centre.DB.Read(ctx, func(tx *db.Tx) (err error) { page, err = deadletter.List(ctx, tx, c.Tenant, filter); return err }); err != nil {
			return err
		}
		for _, l := range page {
			if err := f(l.EventID); err != nil {
				return err
			}
		}
		if len(page) < filter.Limit {
			return nil
		}
		left, filter.After = left-len(page), page[len(page)-1].Key
	}
	return nil
}

func (c *deadletterRequeueCommand) print(done []requeuedJSON, failed int) error {
	if c.JSON {
		if err := printJSON(struct {
			Requeued []requeuedJSON `json:"requeued"`
		}{done}); err != nil {
			return err
		}
	} else {
		for _, d := range done {
			if d.Fault != "" {
				fmt.Printf("%s: stays: %s\n", d.ID[:min(12, len(d.ID))], d.Fault)
			} else {
				fmt.Printf("%s: entered as event %s\n", d.ID[:min(12, len(d.ID))], d.Event)
			}
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d could not be entered", failed, len(done))
	}
	return nil
}

func (c *deadletterRequeueCommand) envelopes(ctx context.Context, centre *collector.Centre) error {
	var n int64
	err := centre.DB.Write(ctx, func(tx *db.Tx) (err error) {
		if err := people.Allow(ctx, tx, c.Tenant, c.name(), people.DeadLetterAct); err != nil {
			return err
		}
		if n, err = centre.Log.RetryEnvelopes(ctx, tx, c.Tenant, c.Site); err != nil || n == 0 {
			return err
		}
		return audit.Record(ctx, tx, audit.Act{Tenant: c.Tenant, By: c.name(), Action: "deadletter.requeue", Object: "envelopes/" + c.Site, Reason: c.Reason, Detail: map[string]int64{"envelopes": n}}, centre.Now())
	})
	if err == nil {
		fmt.Printf("%d envelopes are tried again by the collector; what is still unreadable comes back\n", n)
	}
	return err
}

type deadletterDiscardCommand struct {
	oneLetter
	person
	Reason string `required:"" help:"Why, for those who ask later."`
}

// Run discards one.
func (c *deadletterDiscardCommand) Run(all *commands) error {
	return withLetters(all, func(ctx context.Context, centre *collector.Centre, desk *deadletter.Desk) error {
		err := centre.DB.Write(ctx, func(tx *db.Tx) error {
			return desk.Discard(ctx, tx, c.Tenant, c.ID, deadletter.Who{By: c.name(), Reason: c.Reason})
		})
		if err == nil {
			fmt.Println("discarded; the record is kept and has no effect")
		}
		return err
	})
}

type deadletterExportCommand struct {
	deadletterFilter
	Out string `short:"o" type:"path" help:"The file to write; without it, standard output."`
}

// Run writes one JSON object a line.
func (c *deadletterExportCommand) Run(all *commands) error {
	return withLetters(all, func(ctx context.Context, centre *collector.Centre, desk *deadletter.Desk) (err error) {
		out := io.Writer(os.Stdout)
		if c.Out != "" {
			file, err := os.OpenFile(c.Out, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, file.Close()) }()
			out = file
		}
		encoder := json.NewEncoder(out)
		filter := c.filter()
		for {
			filter.Limit = 100
			var lines []letterJSON
			err := centre.DB.Read(ctx, func(tx *db.Tx) error {
				lines = nil
				page, err := deadletter.List(ctx, tx, c.Tenant, filter)
				for i := 0; i < len(page) && err == nil; i++ {
					var line letterJSON
					line, _, err = wholeLetter(ctx, tx, desk, &page[i])
					lines = append(lines, line)
				}
				return err
			})
			if err != nil {
				return err
			}
			for _, line := range lines {
				if err := encoder.Encode(line); err != nil {
					return err
				}
				filter.After = line.Key
			}
			if len(lines) < filter.Limit {
				return nil
			}
		}
	})
}

// withLetters opens what settles dead letters.
func withLetters(all *commands, f func(context.Context, *collector.Centre, *deadletter.Desk) error) (err error) {
	config, err := collector.LoadConfig(all.Config)
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	centre, err := collector.OpenCentre(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, centre.Close()) }()
	return f(ctx, centre, centre.Desk())
}
