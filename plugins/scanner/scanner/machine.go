package scanner

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/dockline/dockline/plugins/mapping"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/gs1"
)

// Results of a scan, as the person with the reader hears them.
type result int

const (
	good   result = iota // taken
	whole                // taken, and the event is whole: it is good once the journal has it
	bad                  // refused
	double               // the same scan once more
	lost                 // half done work was dropped
)

// answer is what comes of a scan.
type answer struct {
	result result
	text   string
	remark string // what is odd about a scan that is taken
	event  *docklinev1.Event
}

// work is what one reader has done so far; it is kept over a restart.
type work struct {
	State    string              `json:"state"`
	Values   map[string]string   `json:"values,omitempty"`
	Lines    []map[string]string `json:"lines,omitempty"`
	Operator string              `json:"operator,omitempty"`
	LastScan time.Time           `json:"last_scan"`
	LastCode string              `json:"last_code,omitempty"`
	Again    bool                `json:"again,omitempty"` // the last transition lets its code be scanned once more
	Steps    []step              `json:"steps,omitempty"`
	// Labels are the GS1 elements of all codes of this work, the last of each AI.
	Labels map[string]string `json:"labels,omitempty"`
	// Waiting is an event that the journal has not answered yet, as it was sent.
	Waiting []byte `json:"waiting,omitempty"`
}

// step is the work before a scan, for undo.
type step struct {
	State  string              `json:"state"`
	Values map[string]string   `json:"values,omitempty"`
	Lines  []map[string]string `json:"lines,omitempty"`
	Labels map[string]string   `json:"labels,omitempty"`
}

// Bounds of half done work, whatever somebody scans.
const (
	mostLines = 500
	mostSteps = 50
)

// machine is the state of one reader's work. It asks no clock.
type machine struct {
	device   string
	codes    string
	labels   Labels
	flow     *flow
	controls controls
	badge    bool // a badge is required
	work     work
	// resumed is when people could go on after the journal had answered.
	resumed time.Time
	// newID makes the number of an event.
	newID func() string
}

func newMachine(device string, in Input, s *setup) *machine {
	m := &machine{device: device, codes: in.Codes, labels: in.Labels, flow: s.flows[in.Flow], controls: s.controls, badge: s.Controls.BadgeRequired,
		newID: func() string { return uuid.Must(uuid.NewV7()).String() }}
	m.work.State = m.flow.Start
	return m
}

// prompt says what is expected next.
func (m *machine) prompt() string {
	if m.badge && m.work.Operator == "" {
		return "Badge?"
	}
	return m.flow.States[m.work.State].Prompt
}

// begun says that work is half done.
func (m *machine) begun() bool {
	return m.work.State != m.flow.Start || len(m.work.Steps) > 0 || len(m.work.Lines) > 0
}

// expire drops work that nobody went on with, and says so.
func (m *machine) expire(now time.Time) (answer, bool) {
	if !m.begun() || now.Sub(m.work.LastScan) < m.flow.Timeout || now.Sub(m.resumed) < m.flow.Timeout {
		return answer{}, false
	}
	text := fmt.Sprintf("DROPPED: %s was not finished within %s. Begin again.", m.summary(), m.flow.Timeout)
	m.begin(nil)
	return answer{result: lost, text: text}, true
}

// summary names half done work in a few words.
func (m *machine) summary() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m.work.Values)) {
		parts = append(parts, name+" "+m.work.Values[name])
	}
	if n := len(m.work.Lines); n > 0 {
		parts = append(parts, fmt.Sprintf("%d lines", n))
	}
	return m.flow.Name + " (" + shorten(strings.Join(parts, ", "), 120) + ")"
}

// begin is the first state, with the values that stay.
func (m *machine) begin(keep []string) {
	values := map[string]string{}
	for _, name := range keep {
		if v, ok := m.work.Values[name]; ok {
			values[name] = v
		}
	}
	if m.work.State, m.work.Values, m.work.Lines, m.work.Steps = m.flow.Start, values, nil, nil; len(values) == 0 {
		m.work.Labels = nil
	}
}

// scan takes what a reader has sent.
func (m *machine) scan(now time.Time, raw string) answer {
	if now.Sub(m.work.LastScan) < m.flow.DoubleScan && raw == m.work.LastCode && !m.work.Again {
		return answer{result: double, text: "scanned twice, counted once"}
	}
	m.work.LastScan, m.work.LastCode, m.work.Again = now, raw, false
	if !utf8.ValidString(raw) {
		return refusef(noText)
	}
	if answered, ok := m.control(raw); ok {
		return answered
	}
	if m.badge && m.work.Operator == "" {
		return refusef("Scan your badge first.")
	}
	s, err := m.read(raw)
	if err != nil {
		return refusef("%s", sentence(err.Error()))
	}
	return m.advance(now, s)
}

// read makes a scan of bytes, as the input says that its reader sends them.
func (m *machine) read(raw string) (gs1.Scan, error) {
	switch {
	case m.codes == codesText:
		return gs1.Scan{Data: raw}, nil
	case m.codes == codesGS1 && !strings.HasPrefix(raw, "]"):
		s, err := gs1.ParsePlain(raw)
		if err != nil {
			return gs1.Scan{Data: raw}, nil // it may be one of the house's own labels: the state decides
		}
		return s, nil
	}
	return gs1.ParseScan(raw)
}

func refusef(format string, args ...any) answer {
	return answer{result: bad, text: fmt.Sprintf(format, args...)}
}

const noText = "What was read is no text. Is the reader set to UTF-8, and its line's speed right?"

// unreadable says what is wrong with a scan whatever state the work is in, "" where that decides.
func (m *machine) unreadable(raw string) string {
	if !utf8.ValidString(raw) {
		return noText
	}
	for _, x := range []*regexp.Regexp{m.controls.cancel, m.controls.undo, m.controls.badge, m.controls.leave} {
		if x != nil && x.MatchString(plainCode(raw)) {
			return ""
		}
	}
	if _, err := m.read(raw); err != nil {
		return sentence(err.Error())
	}
	return ""
}

// plainCode is a code without its symbology identifier.
func plainCode(raw string) string {
	if len(raw) > 3 && raw[0] == ']' {
		return raw[3:]
	}
	return raw
}

// control does what a control scan asks for.
func (m *machine) control(raw string) (answer, bool) {
	code := plainCode(raw)
	is := func(x *regexp.Regexp) bool { return x != nil && x.MatchString(code) }
	switch {
	case is(m.controls.cancel):
		if !m.begun() {
			return answer{result: good, text: "There was nothing to cancel."}, true
		}
		text := "CANCELLED: " + m.summary()
		m.begin(nil)
		return answer{result: lost, text: text}, true
	case is(m.controls.undo):
		if len(m.work.Steps) == 0 {
			return refusef("There is nothing to undo: what is stored stays."), true
		}
		last := m.work.Steps[len(m.work.Steps)-1]
		m.work.State, m.work.Values, m.work.Lines, m.work.Labels = last.State, last.Values, last.Lines, last.Labels
		m.work.Steps = m.work.Steps[:len(m.work.Steps)-1]
		return answer{result: good, text: "The last scan is undone."}, true
	case is(m.controls.badge):
		if m.begun() {
			return refusef("Finish or cancel %s first.", m.summary()), true
		}
		m.work.Operator = m.controls.badge.FindStringSubmatch(code)[1]
		m.begin(nil)
		return answer{result: good, text: "Hello " + m.work.Operator + "."}, true
	case is(m.controls.leave):
		if m.begun() {
			return refusef("Finish or cancel %s first.", m.summary()), true
		}
		m.work.Operator = ""
		m.begin(nil)
		return answer{result: good, text: "Goodbye."}, true
	}
	return answer{}, false
}

// advance finds the transition that takes a scan, and goes it.
func (m *machine) advance(now time.Time, s gs1.Scan) answer {
	row := m.row(s)
	for _, t := range m.flow.states[m.work.State] {
		groups, ok, err := t.fits(s, row)
		if err != nil {
			return refusef("The condition for this scan cannot be computed (%v). Ask who looks after the configuration.", err)
		}
		if !ok {
			continue
		}
		if t.Refuse != "" {
			return refusef("%s", t.Refuse)
		}
		return m.take(now, t, scanned{s, groups})
	}
	what := shorten(s.Data, 40)
	if s.GS1 {
		what = shorten(s.Elements.String(), 60)
	}
	return refusef("%s is not expected here. %s", what, m.prompt())
}

// row is what a condition sees: the scan, and the values so far.
func (m *machine) row(s gs1.Scan) map[string]string {
	row := map[string]string{"code": s.Data, "symbology": s.Symbology, "identifier": s.Identifier, columnDevice: m.device, columnOperator: m.work.Operator}
	for _, e := range s.Elements {
		row["ai."+e.AI] = e.Value
	}
	maps.Copy(row, m.work.Values)
	return row
}

// take goes a transition. Nothing has changed where it refuses.
func (m *machine) take(now time.Time, t *transition, s scanned) answer {
	values := maps.Clone(m.work.Values)
	if values == nil {
		values = map[string]string{}
	}
	for name, source := range t.Take {
		v, err := value(source, s, now)
		if err != nil {
			return refusef("%s", sentence(err.Error()))
		}
		if values[name] = v; v == "" {
			delete(values, name) // what another label said of it does not count any longer
		}
	}
	maps.Copy(values, t.Set)
	labels, remark, refusal := m.judge(s.Elements, t.Line || t.Emit != "")
	if refusal != "" {
		return refusef("%s", refusal)
	}
	lines := m.work.Lines
	if t.Line {
		if len(lines) == mostLines {
			return refusef("%d lines are the most of one event. Finish this one.", mostLines)
		}
		lines = append(slices.Clone(lines), maps.Clone(values))
	}
	if t.Emit != "" {
		a := m.emit(now, t, values, lines)
		if a.remark = remark; a.result == whole && len(m.work.Values) > 0 {
			m.work.Labels = labels
		}
		return a
	}
	m.remember()
	for _, name := range t.Clear {
		delete(values, name)
	}
	m.work.Values, m.work.Lines, m.work.State, m.work.Again, m.work.Labels = values, lines, t.Next, t.Repeat, labels
	return answer{result: good, remark: remark}
}

// remember keeps the work as it is for undo.
func (m *machine) remember() {
	m.work.Steps = append(m.work.Steps, step{m.work.State, m.work.Values, m.work.Lines, m.work.Labels})
	if n := len(m.work.Steps); n > mostSteps {
		m.work.Steps = slices.Clone(m.work.Steps[n-mostSteps:])
	}
}

// emit makes the event of values and lines.
func (m *machine) emit(now time.Time, t *transition, values map[string]string, lines []map[string]string) answer {
	if len(lines) == 0 {
		lines = []map[string]string{values}
	}
	e, faults := m.flow.events[t.Emit].make(lines, map[string]string{columnTransaction: m.device + "/" + m.newID(), columnDevice: m.device, columnOperator: m.work.Operator,
		columnAt: now.UTC().Format(time.RFC3339Nano)})
	if len(faults) > 0 {
		texts := make([]string, len(faults))
		for i, f := range faults {
			texts[i] = f.Text
		}
		return refusef("%s", sentence(strings.Join(slices.Compact(texts), "; ")))
	}
	if e == nil {
		return refusef("The configuration leaves this out: nothing is told of it.")
	}
	e.Origin = "scanned with " + m.device
	m.work.Values = values
	m.begin(t.Keep)
	m.work.State, m.work.Again = t.Next, t.Repeat
	return answer{result: whole, text: e.GetSubject(), event: e}
}

// make maps the rows of one event.
func (ev *event) make(lines []map[string]string, every map[string]string) (*docklinev1.Event, []mapping.Fault) {
	var records []*mapping.Record
	for _, line := range lines {
		cells := make([]string, len(ev.columns))
		for i, name := range ev.columns {
			if v, ok := every[name]; ok {
				cells[i] = v
				continue
			}
			cells[i] = line[name]
		}
		r, faults := ev.binding.Map(cells)
		if len(faults) > 0 {
			return nil, faults
		}
		if r != nil {
			records = append(records, r)
		}
	}
	if len(records) == 0 {
		return nil, nil
	}
	return ev.mapping.Event(0, records...)
}

func shorten(s string, most int) string {
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return s
}

// sentence begins with a capital, as a person reads it.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
