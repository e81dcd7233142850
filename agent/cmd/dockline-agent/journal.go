package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/dockline/dockline/agent"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

type journalCommand struct {
	List   journalListCommand   `cmd:"" help:"List events that the journal holds, the oldest first: what waits for the collector, or all."`
	Verify journalVerifyCommand `cmd:"" help:"Read all of the journal and hold it against its sums. Exit code 1 where anything is damaged."`
	Export journalExportCommand `cmd:"" help:"Write the events as JSON, a line each, whole and with business content."`
}

type journalListCommand struct {
	All     bool   `help:"Also those that the collector has."`
	Limit   int    `default:"100" help:"How many at most; 0 is all."`
	Subject string `help:"Only of this order, shipment or count." placeholder:"NUMBER"`
	JSON    bool   `name:"json" help:"As export does."`
}

// Run asks the running agent, or reads the files of one that is stopped.
func (c *journalListCommand) Run(all *commands) error {
	q := agent.EventQuery{All: c.All, Limit: c.Limit, Subject: c.Subject}
	if c.JSON {
		return export(all, q, os.Stdout)
	}
	in, out := io.Pipe()
	go func() { out.CloseWithError(export(all, q, out)) }()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SEQ\tCAPTURED\tKIND\tSUBJECT\tAT THE CENTRE\tORIGIN")
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	number := 0
	for lines.Scan() {
		if err := printLine(w, lines.Bytes()); err != nil {
			return err
		}
		number++
	}
	if number == 0 && lines.Err() != nil {
		return lines.Err() // without a heading over nothing
	}
	if err := errors.Join(lines.Err(), w.Flush()); err != nil {
		return err
	}
	fmt.Printf("%d events\n", number)
	return nil
}

func printLine(w io.Writer, text []byte) error {
	var line agent.EventLine
	if err := json.Unmarshal(text, &line); err != nil {
		return err
	}
	e := &docklinev1.Event{}
	if line.Fault != "" {
		_, err := fmt.Fprintf(w, "%d\t%s\t%s\n", line.Seq, line.CapturedAt.Format("2006-01-02 15:04:05"), line.Fault)
		return err
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(line.Event, e); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", line.Seq, line.CapturedAt.Format("2006-01-02 15:04:05"), event.KindName(e.GetKind()), e.GetSubject(),
		map[bool]string{true: "yes", false: "no"}[line.Acknowledged], e.GetOrigin())
	return err
}

type journalVerifyCommand struct {
	JSON bool `name:"json" help:"Print everything, for scripts."`
}

// Run exits with 1 where anything is damaged.
func (c *journalVerifyCommand) Run(all *commands) error {
	config, err := agent.LoadConfig(all.Config)
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	reports, err := agent.VerifyJournal(ctx, config)
	if err != nil {
		return err
	}
	bad := 0
	for _, r := range reports {
		if r.Fault != "" {
			bad++
		}
		if !c.JSON {
			fmt.Printf("%s\t%d MB\t%s\n", r.File, r.Bytes>>20, map[bool]string{true: "reads as it was written", false: r.Fault}[r.Fault == ""])
		}
	}
	if c.JSON {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		if err := out.Encode(reports); err != nil {
			return err
		}
	}
	if bad > 0 {
		return exitCode(1)
	}
	return nil
}

type journalExportCommand struct {
	All     bool   `help:"Also those that the collector has."`
	Limit   int    `help:"How many at most; 0 is all."`
	Subject string `help:"Only of this order, shipment or count." placeholder:"NUMBER"`
	Out     string `type:"path" help:"The file to write; by default standard output." placeholder:"FILE"`
}

// Run writes to a file of its own, or to standard output.
func (c *journalExportCommand) Run(all *commands) error {
	q := agent.EventQuery{All: c.All, Limit: c.Limit, Subject: c.Subject}
	if c.Out == "" {
		return export(all, q, os.Stdout)
	}
	file, err := os.OpenFile(c.Out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(export(all, q, file), file.Close())
}

func export(all *commands, q agent.EventQuery, w io.Writer) error {
	config, err := agent.LoadConfig(all.Config)
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	return agent.ExportJournal(ctx, config, q, w)
}
