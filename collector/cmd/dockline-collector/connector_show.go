package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// mostShown is how much of a body is shown to people; --json has all of it.
const mostShown = 4000

func faultClass(c docklinev1.FaultClass) string {
	return strings.ToLower(strings.TrimPrefix(c.String(), "FAULT_CLASS_"))
}

func foundLines(found []connector.Found) (lines []string) {
	for _, f := range found {
		line := fmt.Sprintf("%s %s", f.Document.GetKind(), f.Document.GetNumber())
		switch {
		case f.Reversed:
			line += ", taken back there"
		case f.Complete:
			line += ", as it should be"
		case f.Draft:
			line += ", a draft"
		default:
			line += ", and not as it should be"
		}
		if f.Difference != "" {
			line += ": " + f.Difference
		}
		if f.SourceVersion != 0 {
			line += fmt.Sprintf(" (version %d)", f.SourceVersion)
		}
		lines = append(lines, line)
	}
	if len(found) == 0 {
		return []string{"no document carries the reference"}
	}
	return lines
}

func appliedLines(r connector.Result) (lines []string) {
	for _, d := range r.Documents {
		lines = append(lines, fmt.Sprintf("%s %s was read back", d.GetKind(), d.GetNumber()))
	}
	if r.Newer != 0 {
		lines = append(lines, fmt.Sprintf("the system keeps version %d, which is newer", r.Newer))
	}
	return lines
}

func changeLines(c connector.Changes) (lines []string) {
	for _, e := range c.Events {
		line := fmt.Sprintf("%s %s, record %s revision %s, %s", event.KindName(e.GetKind()), e.GetSubject(), e.GetSourceKey(), e.GetSourceRevision(), e.GetOccurredAt().AsTime().Format(time.RFC3339))
		if letter := e.GetDeadLetter(); letter != nil {
			line = fmt.Sprintf("refused (%s %s): %s", faultClass(letter.GetClass()), letter.GetCode(), letter.GetText())
		} else if body, err := (protojson.MarshalOptions{}).Marshal(e); err == nil {
			line += " " + string(body)
		}
		lines = append(lines, line)
	}
	if more := map[bool]string{true: "there is more", false: "there is no more"}[c.More]; len(lines) == 0 {
		lines = append(lines, "no changes; "+more)
	} else {
		lines = append(lines, more)
	}
	return lines
}

func stockLines(site string, events []*docklinev1.Event) (lines []string) {
	for _, e := range events {
		for _, l := range e.GetStockSnapshot().GetLines() {
			lines = append(lines, fmt.Sprintf("%s: %s of %s, bin %q, lot %q", site, l.GetQuantity().GetValue(), l.GetItem(), l.GetBin(), l.GetLot()))
		}
	}
	if len(lines) == 0 {
		return []string{"the system knows no site " + site + ", or has nothing there"}
	}
	return lines
}

// report prints what was tried, and is an error where a call failed.
func (c *connectorTryCommand) report(out tried) error {
	var failed []string
	for _, call := range out.Calls {
		if call.Fault != nil {
			failed = append(failed, call.Call+" ("+call.Fault.Class+" "+call.Fault.Code+")")
		}
	}
	if c.JSON {
		if err := printJSON(out); err != nil {
			return err
		}
	} else {
		for _, call := range out.Calls {
			printCall(os.Stdout, call)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("%s of %s went wrong", strings.Join(failed, ", "), c.Name)
	}
	return nil
}

func printCall(w io.Writer, call triedCall) {
	fmt.Fprintln(w, strings.ToUpper(call.Call[:1])+call.Call[1:])
	for _, ex := range call.Requests {
		fmt.Fprintf(w, "  %s %s%s\n", ex.Method, ex.URL, map[bool]string{true: "   (" + ex.Purpose + ")"}[ex.Purpose != ""])
		for _, name := range slices.Sorted(maps.Keys(ex.Headers)) {
			fmt.Fprintf(w, "    %s: %s\n", name, ex.Headers[name])
		}
		printBody(w, ex.Body)
		if ex.Error != "" {
			fmt.Fprintf(w, "  no answer after %s: %s\n", ex.Took.Round(time.Millisecond), ex.Error)
			continue
		}
		fmt.Fprintf(w, "  answered %d after %s\n", ex.Status, ex.Took.Round(time.Millisecond))
		printBody(w, ex.Answer)
	}
	for _, line := range call.Mapped {
		fmt.Fprintln(w, "  =", line)
	}
	if f := call.Fault; f != nil {
		fmt.Fprintf(w, "  ! %s, %s: %s\n", f.Class, f.Code, f.Text)
		if f.Unknown {
			fmt.Fprintln(w, "    it may have happened all the same: only looking for it can tell")
		}
		if f.RetryAfter > 0 {
			fmt.Fprintf(w, "    the system asks to come back after %s\n", f.RetryAfter)
		}
		if f.Remedy != "" {
			fmt.Fprintln(w, "    what to do:", f.Remedy)
		}
	}
	fmt.Fprintln(w)
}

// printBody prints a body, JSON indented.
func printBody(w io.Writer, text string) {
	if text == "" {
		return
	}
	var indented bytes.Buffer
	if json.Indent(&indented, []byte(text), "", "  ") == nil {
		text = indented.String()
	}
	cut := ""
	if len(text) > mostShown {
		text, cut = text[:mostShown], fmt.Sprintf("... (%d bytes more; --json has all)", len(text)-mostShown)
	}
	for line := range strings.Lines(text + cut + "\n") {
		fmt.Fprint(w, "    ", line)
	}
}
