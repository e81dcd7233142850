package wmsfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/x12"
)

// partner keeps what has gone between us and who speaks X12: the control numbers given, the interchanges that came, what was sent and what became of it. It is one
// for the source, which reads acknowledgements, and the sink, which sends. A nil partner knows nothing: a sample is tried.
type partner struct {
	mu   sync.Mutex
	dir  string
	now  func() time.Time
	came map[number]came
	sent map[string]*sent // by functional code and group number
	// lines counts those of the file, so that it is written anew when most of them are overtaken.
	lines int
}

// came is an interchange that was taken.
type came struct {
	Sender  string    `json:"sender"`
	Control string    `json:"control"`
	Hash    string    `json:"hash"`
	At      time.Time `json:"at"`
}

// sent is a transaction set that was sent, in a group of its own.
type sent struct {
	Functional string    `json:"functional"`
	Control    string    `json:"control"`
	Set        string    `json:"set"`
	Key        string    `json:"key"`
	Version    uint64    `json:"version"`
	Number     string    `json:"number"`
	At         time.Time `json:"at"`
	// State is one of those below; Text says why it was rejected.
	State string `json:"state"`
	Text  string `json:"text,omitempty"`
}

const (
	sentOpen     = "open"
	sentAccepted = "accepted"
	sentRejected = "rejected"
)

// entry is one line of the file: one of the two.
type entry struct {
	Came *came `json:"came,omitempty"`
	Sent *sent `json:"sent,omitempty"`
}

// maxCame is how many interchanges are known by their numbers, maxSent how many sets by theirs.
const (
	maxCame = 20_000
	maxSent = 20_000
)

func openPartner(dir string, now func() time.Time) (*partner, error) {
	p := &partner{dir: dir, now: now, came: map[number]came{}, sent: map[string]*sent{}}
	raw, err := os.ReadFile(p.path())
	if errors.Is(err, os.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what was exchanged: %w", err)
	}
	for line := range bytes.Lines(raw) { // of any length: what a partner says stands in them
		var e entry
		if json.Unmarshal(line, &e) != nil {
			continue // a line cut by a power loss
		}
		p.lines++
		p.take(e)
	}
	return p, nil
}

func (p *partner) path() string { return filepath.Join(p.dir, "x12.jsonl") }

func (p *partner) take(e entry) {
	if c := e.Came; c != nil {
		p.came[number{c.Sender, c.Control}] = *c
	}
	if s := e.Sent; s != nil {
		p.sent[s.Functional+"/"+s.Control] = s
	}
}

// keep makes entries durable. What could not be written is not known either: it is kept by the next try.
func (p *partner) keep(entries ...entry) error {
	if err := p.append(entries); err != nil {
		return err
	}
	for _, e := range entries {
		p.take(e)
	}
	if p.lines > 2*(maxCame+maxSent) {
		return p.rewrite()
	}
	return nil
}

func (p *partner) append(entries []entry) error {
	var b bytes.Buffer
	b.WriteByte('\n') // behind a line that a power loss cut
	for _, e := range entries {
		line, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("noting what was exchanged: %w", err)
		}
		b.Write(append(line, '\n'))
	}
	f, err := os.OpenFile(p.path(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("noting what was exchanged: %w", err)
	}
	_, err = f.Write(b.Bytes())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("noting what was exchanged: %w", err)
	}
	p.lines += len(entries)
	return nil
}

// rewrite forgets the oldest, but nothing that still waits for its acknowledgement.
func (p *partner) rewrite() error {
	var entries []entry
	cames := make([]came, 0, len(p.came))
	for _, c := range p.came {
		cames = append(cames, c)
	}
	slices.SortFunc(cames, func(a, b came) int { return a.At.Compare(b.At) })
	for _, c := range cames[max(0, len(cames)-maxCame):] {
		entries = append(entries, entry{Came: &c})
	}
	sents := make([]*sent, 0, len(p.sent))
	for _, s := range p.sent {
		sents = append(sents, s)
	}
	slices.SortFunc(sents, func(a, b *sent) int { return a.At.Compare(b.At) })
	for i, s := range sents {
		if s.State == sentOpen || len(sents)-i <= maxSent {
			entries = append(entries, entry{Sent: s})
		}
	}
	var b bytes.Buffer
	for _, e := range entries {
		line, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("noting what was exchanged: %w", err)
		}
		b.Write(append(line, '\n'))
	}
	if err := writeWhole(p.path(), b.Bytes()); err != nil {
		return err
	}
	p.came, p.sent, p.lines = map[number]came{}, map[string]*sent{}, len(entries)
	for _, e := range entries {
		p.take(e)
	}
	return nil
}

// cameBefore says whether an interchange with this number, but other content, was taken.
func (p *partner) cameBefore(n number, hash string) bool {
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c, known := p.came[n]
	return known && c.Hash != hash
}

// numbering begins where no number was given yet, or the disk that knew them is lost: the seconds since then are beyond all that were given, as long as there is less than
// one a second.
var numbering = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// next gives a control number that was never given, and makes that durable first. Behind 999999999 they begin at 1 again, as X12 has it. Who sends and
// who acknowledges ask at once.
func (p *partner) next() (uint64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	path := filepath.Join(p.dir, "control-number")
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, fmt.Errorf("reading the control number: %w", err)
	}
	last, err := strconv.ParseUint(strings.TrimSpace(string(raw)), 10, 64)
	if err != nil {
		last = uint64(max(p.now().Sub(numbering)/time.Second, 0)) % x12.MaxControl
	}
	last = last%x12.MaxControl + 1
	if err := writeWhole(path, fmt.Appendf(nil, "%d\n", last)); err != nil {
		return 0, fmt.Errorf("keeping the control number: %w", err)
	}
	if err := syncFolder(p.dir); err != nil {
		return 0, fmt.Errorf("keeping the control number: %w", err)
	}
	return last, nil
}

// judged says whether a group that is acknowledged was sent from here, and what of it was rejected.
func (p *partner) judged(a *x12.Acknowledgement) (rejected []sent, known bool) {
	if p == nil {
		return nil, true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.find(a)
	if s == nil {
		return nil, false
	}
	if taken, text := verdictOn(a); !taken {
		out := *s
		out.Text = text
		return []sent{out}, true
	}
	return nil, true
}

// find compares numbers as such: some partners leave zeros in front away.
func (p *partner) find(a *x12.Acknowledgement) *sent {
	return p.sent[a.Functional+"/"+strings.TrimLeft(a.Control, "0")]
}

// reported is what was sent in an interchange that the partner rejects as a whole.
func (p *partner) reported(r x12.Report) (rejected sent, known bool) {
	if p == nil {
		return sent{}, true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.inInterchange(r)
	if s == nil {
		return sent{}, false
	}
	rejected = *s
	rejected.Text = r.Words()
	return rejected, true
}

// inInterchange finds what was sent by its interchange: that has the number of its one group.
func (p *partner) inInterchange(r x12.Report) *sent {
	for _, s := range p.sent {
		if r.Same(s.Control) {
			return s
		}
	}
	return nil
}

// verdictOn is what a partner says of a group with one set.
func verdictOn(a *x12.Acknowledgement) (taken bool, text string) {
	for _, s := range a.Sets {
		if !s.Verdict.Taken() {
			return false, s.Words()
		}
	}
	if !a.Verdict.Taken() {
		return false, fmt.Sprintf("the partner rejected its group (AK9 %c, codes %v)", a.Verdict, a.Codes)
	}
	return true, ""
}

// refusal tells that the partner rejected what a command had sent: the command's result is another than was told when it was written.
func (s sent) refusal(at time.Time, origin string) *docklinev1.Event {
	version := strconv.FormatUint(s.Version, 10)
	text := fmt.Sprintf("%s (set %s, group %s): %s", s.Number, s.Set, s.Control, s.Text)
	return &docklinev1.Event{
		Kind: docklinev1.EventKind_EVENT_KIND_COMMAND_COMPLETED, Subject: s.Number, SourceKey: s.Key, SourceRevision: version + "/" + s.Control, OccurredAt: timestamppb.New(plausible(at)),
		Origin: origin,
		Payload: &docklinev1.Event_CommandResult{CommandResult: &docklinev1.CommandResult{Key: s.Key, Version: s.Version,
			Outcome: docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED, Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Text: text}},
	}
}

// settle keeps what a file brought, before it is put away.
func (p *partner) settle(x exchange, hash string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var entries []entry
	for _, n := range x.numbers {
		if c, known := p.came[n]; !known || c.Hash != hash {
			entries = append(entries, entry{Came: &came{n.sender, n.control, hash, p.now().UTC()}})
		}
	}
	for _, a := range x.brought {
		s := p.find(a)
		if s == nil {
			continue
		}
		now := *s
		taken, text := verdictOn(a)
		now.State, now.Text = sentAccepted, text
		if !taken {
			now.State = sentRejected
		}
		if now != *s {
			entries = append(entries, entry{Sent: &now})
		}
	}
	for _, r := range x.reports {
		if s := p.inInterchange(r); s != nil && s.State != sentRejected {
			now := *s
			now.State, now.Text = sentRejected, r.Words()
			entries = append(entries, entry{Sent: &now})
		}
	}
	if len(entries) == 0 {
		return nil
	}
	return p.keep(entries...)
}

// note keeps what is about to be sent.
func (p *partner) note(s *sent) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keep(entry{Sent: s})
}

// troubles are what was sent and rejected, and what waits for its acknowledgement longer than it may; each with the newest of its key alone.
func (p *partner) troubles(now time.Time, within time.Duration) (rejected, late []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	newest := map[string]*sent{}
	for _, s := range p.sent {
		if o := newest[s.Key]; o == nil || s.Version > o.Version || s.Version == o.Version && s.At.After(o.At) {
			newest[s.Key] = s
		}
	}
	for _, s := range newest {
		switch {
		case s.State == sentRejected:
			rejected = append(rejected, fmt.Sprintf("%s (%s)", s.Number, s.Text))
		case s.State == sentOpen && within > 0 && now.Sub(s.At) > within:
			late = append(late, fmt.Sprintf("%s (set %s, group %s, sent %s)", s.Number, s.Set, s.Control, s.At.Format(time.RFC3339)))
		}
	}
	return rejected, late
}
