package rule

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Check is one kind of code that the centre may have told of.
type Check struct {
	Kind docklinev1.MasterKind
	// Name is how rules call it: "reason". Noun is how people do: "reason code".
	Name, Noun string
	// Codes are those of one line.
	codes func(l *docklinev1.Line) []string
}

// Checks are the kinds of codes that are looked up.
var Checks = []Check{
	{docklinev1.MasterKind_MASTER_KIND_ITEM, "item", "item", func(l *docklinev1.Line) []string { return []string{l.GetItem(), l.GetOriginalItem()} }},
	{docklinev1.MasterKind_MASTER_KIND_GTIN, "gtin", "GTIN", func(l *docklinev1.Line) []string { return []string{l.GetGtin()} }},
	{docklinev1.MasterKind_MASTER_KIND_UNIT, "unit", "unit", func(l *docklinev1.Line) []string {
		return []string{l.GetQuantity().GetUnit(), l.GetOrdered().GetUnit(), l.GetExpected().GetUnit(), l.GetRefused().GetUnit(), l.GetOriginalQuantity().GetUnit()}
	}},
	{docklinev1.MasterKind_MASTER_KIND_BIN, "bin", "bin", func(l *docklinev1.Line) []string { return []string{l.GetBin(), l.GetToBin()} }},
	{docklinev1.MasterKind_MASTER_KIND_REASON, "reason", "reason code", func(l *docklinev1.Line) []string { return []string{l.GetReason()} }},
	{docklinev1.MasterKind_MASTER_KIND_CUSTOMER, "customer", "customer", nil}, // an order's own, not a line's
}

const (
	// rememberUnknown is how long a code that the centre does not know is shown after it was last told.
	rememberUnknown = 24 * time.Hour
	// maxUnknown bounds how many of one kind are remembered, namedUnknown how many are named, maxWarnings those of one event.
	maxUnknown, namedUnknown, maxWarnings = 1000, 5, 10
)

// codes looks every code of an event up.
func (r *Rules) codes(e *docklinev1.Event, now time.Time) (warnings []*docklinev1.SiteWarning, fault *event.Fault) {
	for _, check := range Checks {
		answer := r.config.Codes[check.Kind]
		if answer == Ignore || answer == "" {
			continue
		}
		for _, code := range r.notKnown(check, e) {
			r.unknown.note(check, code, now)
			text := fmt.Sprintf("%s %s is not known at the centre. Look whether the code is right.", check.Noun, code)
			if answer == Refuse {
				return nil, &event.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Code: "unknown_" + check.Name,
					Text: text + " A new one is to be made known there; then tell it again."}
			}
			if len(warnings) < maxWarnings {
				warnings = append(warnings, &docklinev1.SiteWarning{Code: "unknown_" + check.Name, Text: text})
			}
		}
	}
	return warnings, nil
}

// notKnown are the codes of one kind in an event that the centre does not know, each once.
func (r *Rules) notKnown(check Check, e *docklinev1.Event) (codes []string) {
	look := func(code string) {
		if code != "" && !r.config.Known(check.Kind, code) && !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	if check.codes == nil {
		look(e.GetOrder().GetCustomer())
		return codes
	}
	for _, line := range linesOf(e) {
		for _, code := range check.codes(line) {
			look(code)
		}
	}
	return codes
}

// unknown remembers what was told of codes that the centre does not know.
type unknown struct {
	mu   sync.Mutex
	seen map[docklinev1.MasterKind]map[string]time.Time
}

func (u *unknown) note(check Check, code string, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.seen == nil {
		u.seen = map[docklinev1.MasterKind]map[string]time.Time{}
	}
	seen := u.seen[check.Kind]
	if seen == nil {
		seen = map[string]time.Time{}
		u.seen[check.Kind] = seen
	}
	if _, there := seen[code]; there || len(seen) < maxUnknown {
		seen[code] = now
	}
}

// conditions forgets what has become known, or was not told for long.
func (u *unknown) conditions(now time.Time, known func(docklinev1.MasterKind, string) bool) (all []*docklinev1.Condition) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, check := range Checks {
		seen := u.seen[check.Kind]
		maps.DeleteFunc(seen, func(code string, at time.Time) bool { return now.Sub(at) > rememberUnknown || known(check.Kind, code) })
		if len(seen) == 0 {
			continue
		}
		first := now
		for _, at := range seen {
			if at.Before(first) {
				first = at
			}
		}
		names := slices.Sorted(maps.Keys(seen))
		text := "Told here and not known at the centre: " + strings.Join(names[:min(namedUnknown, len(names))], ", ")
		if len(names) > namedUnknown {
			text += fmt.Sprintf(" and %d more", len(names)-namedUnknown)
		}
		all = append(all, &docklinev1.Condition{Code: "unknown_" + check.Name, Title: "Unknown " + check.Noun, Severity: docklinev1.Severity_SEVERITY_WARNING, Since: timestamppb.New(first),
			Text: text + ". Look whether the codes are right; a new one is to be made known at the centre, and what was told is then taken as it is."})
	}
	return all
}
