package wmshttp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"

	"github.com/dockline/dockline/plugins/mapping"
	"github.com/dockline/dockline/plugins/work"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Commands says how work is handed over. What has no section is refused.
type Commands struct {
	// Target is that of poll where it names no url.
	Target       `yaml:",inline"`
	ReleaseOrder *Order `yaml:"release_order"`
	CancelOrder  *Order `yaml:"cancel_order"`
	RequestCount *Order `yaml:"request_count"`
}

// Order is the request that hands one kind of work over, in CEL over work.
type Order struct {
	Request `yaml:",inline"`
	// Heeds: the system does a request once for each Idempotency-Key.
	Heeds bool  `yaml:"heeds_idempotency_key"`
	Find  *Find `yaml:"find"`
	// Errors say what answers that are no success mean, the first that fits.
	Errors []ErrorRule    `yaml:"errors"`
	Number mapping.Number `yaml:"number"`
	Date   string         `yaml:"date"`
	Zone   string         `yaml:"zone"`
}

// Find is how it is looked for work that was handed over before.
type Find struct {
	Request `yaml:",inline"`
	// Absent are the statuses that mean that there is none.
	Absent []int `yaml:"absent"`
	// Items is a CEL list over body; absent it is the answer itself. Match is a CEL bool and Version a CEL int over item and work.
	Items   string `yaml:"items"`
	Match   string `yaml:"match"`
	Version string `yaml:"version"`
}

// ErrorRule makes a refusal or a trouble of an answer: When is a CEL bool and Text a CEL string over status, body and headers.
type ErrorRule struct {
	Status []int  `yaml:"status"`
	When   string `yaml:"when"`
	// Class is technical (it is tried again), data or process (it is refused); done: it was done before.
	Class string `yaml:"class"`
	Text  string `yaml:"text"`
}

// order is an Order that has been checked.
type order struct {
	Order
	kind  work.Kind
	clock mapping.Clock
	call  *call
	find  *find
	rules []rule
}

type find struct {
	call                  *call
	absent                []int
	items, match, version *expression
}

type rule struct {
	ErrorRule
	when, text *expression
}

const (
	classTechnical = "technical"
	classData      = "data"
	classProcess   = "process"
	classDone      = "done"
)

func (l *loader) loadCommands(s *setup) {
	c := s.Commands
	key := "commands"
	if c.URL == "" && s.Poll != nil {
		c.Target, key = s.Poll.Target, "poll"
		s.sending = s.target
	}
	if s.sending == nil {
		s.sending = l.target(key, c.Target)
	}
	for kind, given := range map[work.Kind]*Order{work.ReleaseOrder: c.ReleaseOrder, work.CancelOrder: c.CancelOrder, work.RequestCount: c.RequestCount} {
		if given != nil {
			s.work[string(kind)] = l.order("commands."+string(kind), s, kind, *given)
		}
	}
	if len(s.work) == 0 {
		l.fault("commands", "no work is handed over; describe at least one of release_order, cancel_order and request_count")
	}
}

func (l *loader) order(key string, s *setup, kind work.Kind, given Order) *order {
	o := &order{Order: given, kind: kind}
	defaults(&o.Date, "iso")
	defaults(&o.Zone, s.Zone)
	defaults(&o.Zone, "UTC")
	for _, text := range o.Number.Faults() {
		l.fault(key+".number", "%s", text)
	}
	var err error
	if o.clock, err = mapping.NewClock(o.Date, o.Zone); err != nil {
		l.fault(key+".date", "%v", err)
	}
	vars := variables{"work": cel.DynType}
	o.call = l.call(key, given.Request, vars, http.MethodPost)
	if o.call.method == http.MethodGet {
		l.fault(key+".method", "GET hands nothing over; write POST or PUT")
	}
	if f := given.Find; f != nil {
		found := vars.with(variables{"item": cel.DynType})
		o.find = &find{call: l.call(key+".find", f.Request, vars, http.MethodGet), absent: f.Absent, items: l.expression(key+".find.items", f.Items, anyList, answerVars),
			match: l.expression(key+".find.match", f.Match, cel.BoolType, found), version: l.required(key+".find.version", f.Version, cel.IntType, found)}
	}
	if o.find == nil && !given.Heeds && o.call.method != http.MethodPut {
		l.fault(key+".find", "an answer can be lost, and %s once more would do the work twice: write find, by which it is looked for, or heeds_idempotency_key: true where the system does that", o.call.method)
	}
	for i, e := range given.Errors {
		at := fmt.Sprintf("%s.errors[%d]", key, i)
		if !slices.Contains([]string{classTechnical, classData, classProcess, classDone}, e.Class) {
			l.fault(at+".class", "%q is no class; write technical (it is tried again), data or process (it is refused), or done (it was done before)", e.Class)
		}
		read := answerVars.with(variables{"status": cel.IntType})
		o.rules = append(o.rules, rule{e, l.expression(at+".when", e.When, cel.BoolType, read), l.expression(at+".text", e.Text, cel.StringType, read)})
	}
	return o
}

// sink hands work over, each key and version once: what became of it stands in the ledger of the data folder, and where the system can be asked it is
// looked there first, so that an answer that was lost and a lost disk do not matter.
type sink struct {
	setup *setup
	store *store
	log   *slog.Logger

	mu sync.Mutex // one command at a time
}

func (s *sink) deliver(ctx context.Context, cmd *docklinev1.Command) (*docklinev1.CommandResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	version, outcome, text, err := s.store.decided(ctx, cmd.GetKey())
	switch {
	case err != nil:
		return nil, err
	case version > cmd.GetVersion():
		return superseded(cmd, version), nil
	case version == cmd.GetVersion() && outcome != "":
		return resultOf(cmd, outcome, text), nil
	}
	o := s.setup.work[string(work.KindOf(cmd))]
	if o == nil {
		return s.refuse(ctx, cmd, fmt.Sprintf("the plugin has no section commands.%s: this site's WMS does not take such work by HTTP", work.KindOf(cmd)))
	}
	w := work.Of(cmd, o.Number, o.clock)
	if w.Number == "" {
		return s.refuse(ctx, cmd, "the command names no order or count number")
	}
	if len(w.Rows) == 0 {
		return s.refuse(ctx, cmd, w.Number+" has no lines; there is nothing to do for the site")
	}
	return s.hand(ctx, cmd, o, values{"work": asked(cmd, o, w)})
}

// asked is what expressions see of a command.
func asked(cmd *docklinev1.Command, o *order, w work.Work) map[string]any {
	all := map[string]any{"kind": string(o.kind), "key": cmd.GetKey(), "version": int64(cmd.GetVersion()), "number": w.Number, "lines": w.Rows}
	for name, v := range w.Head {
		if name != "version" {
			all[name] = v
		}
	}
	return all
}

func (s *sink) refuse(ctx context.Context, cmd *docklinev1.Command, text string) (*docklinev1.CommandResult, error) {
	if err := s.store.note(ctx, cmd.GetKey(), cmd.GetVersion(), outcomeRefused, text); err != nil {
		return nil, err
	}
	return resultOf(cmd, outcomeRefused, text), nil
}

// hand looks for the work, hands it over where it is not there, and looks again where the answer was lost.
func (s *sink) hand(ctx context.Context, cmd *docklinev1.Command, o *order, v values) (*docklinev1.CommandResult, error) {
	if result, err := s.look(ctx, cmd, o, v); result != nil || err != nil {
		return result, err
	}
	if err := s.store.note(ctx, cmd.GetKey(), cmd.GetVersion(), outcomeSending, ""); err != nil {
		return nil, err
	}
	key := cmd.GetKey() + "/" + strconv.FormatUint(cmd.GetVersion(), 10)
	got, err := s.setup.sending.do(ctx, o.call, v, http.Header{"Idempotency-Key": {key}})
	if err == nil {
		return s.applied(ctx, cmd, "handed over")
	}
	var f *targetFault
	if !errors.As(err, &f) {
		return nil, err
	}
	if got != nil {
		return s.judge(ctx, cmd, o, got, f)
	}
	if f.class == faultSchema && f.unsent { // an expression that does not fit this command
		return s.refuse(ctx, cmd, "the request cannot be made of it: "+cut(f.Error(), 300)+"; correct the configuration, and send it again")
	}
	if !f.unsent {
		if result, looked := s.look(ctx, cmd, o, v); result != nil && looked == nil {
			return result, nil
		}
	}
	return nil, f
}

// look asks the system for the work; nil where it has none, or cannot be asked.
func (s *sink) look(ctx context.Context, cmd *docklinev1.Command, o *order, v values) (*docklinev1.CommandResult, error) {
	if o.find == nil {
		return nil, nil
	}
	got, err := s.setup.sending.do(ctx, o.find.call, v, nil, o.find.absent...)
	if err != nil {
		return nil, err
	}
	if got.status/100 != 2 {
		return nil, nil
	}
	items := []any{got.body}
	if o.find.items != nil {
		if items, err = o.find.items.list(ctx, got.read()); err != nil {
			return nil, err
		}
	}
	highest := uint64(0)
	for _, item := range items {
		iv := v.with(values{"item": item})
		matches, err := o.find.match.bool(ctx, iv, true)
		if err != nil {
			return nil, err
		}
		if !matches {
			continue
		}
		out, err := o.find.version.eval(ctx, iv)
		if err != nil {
			return nil, err
		}
		if n, ok := out.Value().(int64); ok && n > 0 {
			highest = max(highest, uint64(n))
		}
	}
	switch {
	case highest > cmd.GetVersion():
		if err := s.store.note(ctx, cmd.GetKey(), highest, outcomeApplied, "found"); err != nil {
			return nil, err
		}
		return superseded(cmd, highest), nil
	case highest == cmd.GetVersion():
		return s.applied(ctx, cmd, "found there: it was handed over before")
	}
	return nil, nil
}

func (s *sink) applied(ctx context.Context, cmd *docklinev1.Command, text string) (*docklinev1.CommandResult, error) {
	if err := s.store.note(ctx, cmd.GetKey(), cmd.GetVersion(), outcomeApplied, text); err != nil {
		return nil, err // it is looked for, or sent under the same key, when the command comes again
	}
	return resultOf(cmd, outcomeApplied, text), nil
}

// refusing are the statuses by which a system says that it will not do this: whatever is tried again is answered the same.
var refusing = []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusGone, http.StatusPreconditionFailed, http.StatusRequestEntityTooLarge,
	http.StatusUnprocessableEntity}

// judge says what an answer means that is no success.
func (s *sink) judge(ctx context.Context, cmd *docklinev1.Command, o *order, got *reply, f *targetFault) (*docklinev1.CommandResult, error) {
	for _, r := range o.rules {
		fitting, err := r.when.bool(ctx, got.read(), true)
		if err != nil || len(r.Status) > 0 && !slices.Contains(r.Status, got.status) || !fitting {
			continue // an answer of another shape
		}
		text, err := r.text.string(ctx, got.read())
		if err != nil || text == "" {
			text = said(got)
		}
		switch r.Class {
		case classTechnical:
			return nil, &targetFault{class: faultBusy, what: o.call.where, err: errors.New(text), again: f.again}
		case classDone:
			return s.applied(ctx, cmd, text)
		}
		return s.refuse(ctx, cmd, "the WMS refuses it: "+text)
	}
	if slices.Contains(refusing, got.status) {
		return s.refuse(ctx, cmd, fmt.Sprintf("the WMS refuses it with status %d: %s", got.status, said(got)))
	}
	return nil, f
}

func superseded(cmd *docklinev1.Command, by uint64) *docklinev1.CommandResult {
	return &docklinev1.CommandResult{Key: cmd.GetKey(), Version: cmd.GetVersion(), Outcome: docklinev1.CommandOutcome_COMMAND_OUTCOME_SUPERSEDED,
		Text: fmt.Sprintf("version %d has been applied before", by)}
}

func resultOf(cmd *docklinev1.Command, outcome, said string) *docklinev1.CommandResult {
	r := &docklinev1.CommandResult{Key: cmd.GetKey(), Version: cmd.GetVersion(), Outcome: docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED, Text: strings.TrimSpace(said)}
	if outcome == outcomeRefused {
		r.Outcome, r.Class = docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED, docklinev1.FaultClass_FAULT_CLASS_DATA
	}
	return r
}
