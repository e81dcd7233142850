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
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/deadletter"
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
	Older  time.Duration `help:"Only those that were refused longer ago: 24h."`
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
	return withTenant(all, c.Tenant, func(ctx context.Context, d *db.DB) error {
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
		fmt.Fprintln(w, "ID\tSTATE\tSITE\tPLUGIN\tCLASS\tCODE\tORDER\tREFUSED\tCORRECTIONS")
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
		fmt.Printf("Dead letter %s of %s, plugin %s: %s\n%s fault %s, refused at %s\n\n%s\n", out.ID, cmp.Or(out.Site, "the centre"), out.Plugin, out.State, out.Class, out.Code, stamp(out.Since), out.Text)
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

type deadletterExportCommand struct {
	deadletterFilter
	Out string `short:"o" type:"path" help:"The file to write; without it, standard output."`
}

// Run writes one JSON object a line.
func (c *deadletterExportCommand) Run(all *commands) error {
	return withLetters(all, func(ctx context.Context, centre *collector.Centre, desk *deadletter.Desk) (err error) {
		if err := knownTenant(ctx, centre.DB, c.Tenant); err != nil {
			return err
		}
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
func withLetters(all *commands, f func(context.Context, *collector.Centre, *deadletter.Desk) error) error {
	return withCentre(all, func(ctx context.Context, centre *collector.Centre) error { return f(ctx, centre, centre.Desk()) })
}
