package wmsfile

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/dockline/dockline/proto/x12"
)

// openAnswers opens the list of acknowledgements that were written. Those of files that are put away are not needed any longer.
func openAnswers(dataDir string, cur *cursor) (*ledger, error) {
	l, err := openLedger(filepath.Join(dataDir, "acknowledgements.jsonl"))
	if err != nil {
		return nil, err
	}
	before := len(l.held)
	for key := range l.held {
		hash, _, _ := strings.Cut(key, "/")
		if !slices.ContainsFunc(cur.Files, func(t *taken) bool { return t.Hash == hash }) {
			delete(l.held, key)
		}
	}
	if before == len(l.held) {
		return l, nil
	}
	return l, l.rewrite()
}

// exchanged keeps what a file in X12 brought, and answers it. Its events are durable, and the file is not put away before this is done: so that whatever ends the process
// in between, each group is answered, and once.
func (c *capture) exchanged(f finished) error {
	if f.file.stream.Form != formX12 || f.result.Repeated != "" {
		return nil
	}
	if err := c.partner.settle(f.result.x12, f.entry.Hash); err != nil {
		return err
	}
	if !c.setup.X12.acknowledges() {
		return nil
	}
	for i, a := range f.result.x12.answers {
		if err := c.answer(f.entry.Hash+"/"+strconv.Itoa(i), a); err != nil {
			return fmt.Errorf("acknowledging %s of %s: %w", a.what(), f.file.name, err)
		}
	}
	return nil
}

// answer writes one acknowledgement: whole under a temporary name, then noted, then under its own. Nothing is written where it was.
func (c *capture) answer(key string, a answer) error {
	held, known := c.answered.find(key)
	if known && held.State == stateApplied {
		return nil
	}
	if !known {
		control, err := c.partner.next()
		if err != nil {
			return err
		}
		raw, err := c.setup.X12.acknowledge(a, control, c)
		if err != nil {
			return err
		}
		held = applied{Key: key, Version: control, State: stateWriting, File: strings.ReplaceAll(c.setup.X12.AckFile, "{control}", fmt.Sprintf("%09d", control))}
		if err := c.in.write(waiting(held), raw); err != nil {
			return err
		}
		if err := c.answered.put(held); err != nil {
			return err
		}
	}
	if err := deliverInto(c.in, held); err != nil {
		return err
	}
	held.State = stateApplied
	return c.answered.put(held)
}

// what is what an answer is about, for people.
func (a answer) what() string {
	if a.report != nil {
		return "interchange " + a.report.Control
	}
	return "group " + a.says.Control
}

// acknowledge is a 997 or TA1 as it goes back to who sent the group.
func (e Exchange) acknowledge(a answer, control uint64, c *capture) ([]byte, error) {
	version := a.gs.Element(8)
	if len(version) < 6 {
		version = e.Version
	}
	head := x12.Head{
		Sender:   x12.Party{Qualifier: a.isa.Element(7), ID: a.isa.Element(8), Group: a.gs.Element(3)},
		Receiver: x12.Party{Qualifier: a.isa.Element(5), ID: a.isa.Element(6), Group: a.gs.Element(2)},
		Control:  control, Group: control, Functional: "FA", Version: version[:6], At: c.now(), Test: a.isa.Element(15) == "T",
	}
	if a.report != nil {
		head.Version = cmp.Or(a.isa.Element(12), e.Version) // the release of its own envelope
		return x12.WriteReports(head, *a.report)
	}
	return x12.Write(head, a.says.Part(x12.Common))
}
