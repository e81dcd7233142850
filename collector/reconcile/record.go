package reconcile

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// opening keeps which snapshot opened a site's stock; when that is another one, every bucket of the site is folded again.
func (v *view) opening(site string) {
	opening := state.FoldOpening(site, v.facts)
	if opening == nil {
		return
	}
	v.outcome.state, v.outcome.site, v.outcome.status = opening, site, "opened"
	v.batch.opened(siteKey{v.tenant, site}, opening.GetOpenedBy())
	if hash := must(state.Hash(opening)); v.had != nil && v.had.hash == hash {
		return
	}
	v.lockOpening(site)
	prefix := event.Key(state.KindStock, site) + "/"
	after := prefix[:len(prefix)-1] + "0" // the byte after the slash
	rows, err := v.batch.tx.Query(v.ctx, `SELECT fold_key FROM state WHERE tenant = ? AND fold_key >= ? AND fold_key < ? ORDER BY fold_key`, v.tenant, prefix, after)
	if err != nil {
		panic(viewFault{err})
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			panic(viewFault{err})
		}
		v.outcome.also = append(v.outcome.also, key)
	}
	if err := rows.Err(); err != nil {
		panic(viewFault{err})
	}
}

// gapAgain is how often an open gap is looked at: it closes when its events arrive after all.
const gapAgain = time.Minute

// record makes a case of what could not become a business event.
func (v *view) record() {
	r, found := state.FoldRecord(v.facts)
	v.raiseFindings(found, "", "")
	if r == nil {
		return
	}
	e := r.Event
	v.outcome.site = e.GetSite()
	switch p := e.GetPayload().(type) {
	case *docklinev1.Event_DeadLetter:
		v.deadLetter(r, p.DeadLetter)
	case *docklinev1.Event_StreamGap:
		v.nothingToPost(r, "it says that events are missing: nothing is to be posted")
		v.gap(e, p.StreamGap)
	case *docklinev1.Event_Load:
		v.nothingToPost(r, "it names a trailer alone, and no shipment, order or handling unit: nothing is to be posted")
	case *docklinev1.Event_CommandResult:
		v.outcome.results = []*docklinev1.Event{e}
		v.nothingToPost(r, "the result of a command: nothing is to be posted")
		if p.CommandResult.GetOutcome() == docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED {
			v.refused(e, "", "")
		}
	}
}

// letter is a record that was refused, as its row has it.
type letter struct {
	event, site, source, code, order, state, by, reason, corrected string
	class, since                                                   int64
}

func (l *letter) row(key foldKey) []any {
	return []any{key.tenant, key.key, l.event, l.site, l.source, l.code, l.class, l.order, l.since, l.state, l.by, l.reason, l.corrected}
}

var letterColumns = []string{"tenant", "fold_key", "event_id", "site", "source", "code", "class", "order_number", "since", "state", "settled_by", "reason", "corrected_by"}

// nothingToPost says so of every event that told of the record, the former ones too: a site's second configuration is the same record as its
// first, and an event without a reason counts at its site as one that the system of record lacks.
func (v *view) nothingToPost(r *state.Record, reason string) {
	for _, id := range r.Told {
		v.outcome.reasons[id] = reason
	}
}

func (v *view) deadLetter(r *state.Record, d *docklinev1.DeadLetter) {
	v.outcome.letter = &letter{event: r.Event.GetId(), site: r.Event.GetSite(), source: r.Event.GetSource(), code: d.GetCode(), class: int64(d.GetClass()), order: r.Order,
		since: r.Since.UnixMicro(), state: "open"}
	if s := r.Settled; s != nil {
		l := v.outcome.letter
		l.state, l.by, l.reason, l.corrected = s.GetOutcome(), r.SettledBy, s.GetReason(), s.GetCorrectedBy()
		why := "it was refused, and " + cmp.Or(r.SettledBy, "somebody") + " discarded it: " + s.GetReason()
		if s.GetCorrectedBy() != "" {
			why = "it was refused; event " + s.GetCorrectedBy() + " was entered in its place"
		}
		v.nothingToPost(r, why)
		return
	}
	title, text := "A record was refused", d.GetText()
	if where := state.Where(d); where != "" {
		title += ": " + where
		switch {
		case strings.Contains(text, d.GetFile()):
		case d.GetColumn() != "" && strings.HasPrefix(text, d.GetColumn()): // it says itself where in the file
			text = d.GetFile() + ": " + text
		default:
			text = where + ": " + text
		}
	}
	class := d.GetClass()
	if class == docklinev1.FaultClass_FAULT_CLASS_UNSPECIFIED {
		class = data
	}
	detail := d.GetRaw()
	if len(detail) == 0 {
		detail = d.GetRefusedEvent()
	}
	v.raise(exception.Desired{Code: d.GetCode(), Class: class, Subject: r.Event.GetId(), Site: r.Event.GetSite(), Order: r.Order, EventIDs: r.Told,
		Title: title, Text: text, Detail: detail})
}

func (v *view) gap(e *docklinev1.Event, gap *docklinev1.StreamGap) {
	var open int64
	err := v.batch.tx.QueryRow(v.ctx, `SELECT COUNT(*) FROM gap WHERE tenant = ? AND site = ? AND epoch = ? AND lo >= ? AND hi <= ? AND closed_at = 0`,
		v.tenant, e.GetSite(), gap.GetEpoch(), gap.GetFirstSeq(), gap.GetLastSeq()).Scan(&open)
	if err != nil {
		panic(viewFault{err})
	}
	if open == 0 {
		return
	}
	v.wake(v.now.Add(gapAgain))
	v.raise(exception.Desired{Code: "stream_gap", Class: technical, Subject: e.GetSite() + " " + gap.GetEpoch(), Site: e.GetSite(), EventIDs: []string{e.GetId()},
		Title: fmt.Sprintf("%s of site %s %s missing", event.Several(gap.GetLastSeq()-gap.GetFirstSeq()+1, "event"), e.GetSite(), event.Are(gap.GetLastSeq()-gap.GetFirstSeq()+1)),
		Text: fmt.Sprintf("The journal of site %s lost what it had as %d to %d of epoch %s: %s. dockline-collector site loss %[1]s --tenant %[6]s says what can be read again, and what is to be counted; counts wait until then.",
			e.GetSite(), gap.GetFirstSeq(), gap.GetLastSeq(), gap.GetEpoch(), gap.GetReason(), v.tenant)})
}
