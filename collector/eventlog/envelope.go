package eventlog

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/wire"
)

// source is whom a dead letter names that the centre made itself.
const source = "collector"

// maxID bounds an event id: a SHA-256 in hex or a UUID.
const maxID = 64

// usableID says whether an id can be kept: PostgreSQL takes no zero character.
func usableID(id string) bool {
	return id != "" && len(id) <= maxID && strings.IndexByte(id, 0) < 0
}

// open reads the events of the envelope's pack, once.
func (w *waiting) open() {
	if !w.opened {
		if w.events, w.fault = w.read(); w.fault != nil {
			w.size = wire.MaxOpenBytes // it may have taken so much to see that
		}
		w.opened = true
	}
}

// read is the events of the pack with the hashes of their bodies. What cannot be taken as an event of this site becomes a dead letter in
// its place. An error is the fault of the pack as a whole.
func (w *waiting) read() ([]Recorded, error) {
	raws, err := wire.OpenPack(w.envelope.GetPack(), 0)
	if err != nil {
		return nil, err
	}
	if len(raws) != int(w.envelope.GetCount()) {
		return nil, fmt.Errorf("%w: it holds %d events, its header says %d", wire.ErrPack, len(raws), w.envelope.GetCount())
	}
	if err := tooHeavy(raws); err != nil {
		return nil, err
	}
	recorded := make([]Recorded, len(raws))
	for i, raw := range raws {
		w.size += len(raw)
		r := &recorded[i]
		*r = Recorded{Event: &docklinev1.Event{}, Epoch: w.envelope.GetEpoch(), EpochOrdinal: w.envelope.GetEpochOrdinal(),
			Seq: w.envelope.GetFirstSeq() + uint64(i)}
		fault := w.decode(raw, r.Event)
		if r.captured, r.letter = capturedAt(r.Event.GetCapturedAt()), isLetter(r.Event); i > 0 && fault != nil && r.captured == 0 {
			r.captured = recorded[i-1].captured // it cannot be read; the one before it is of the same day, or nearly always
		}
		if fault != nil {
			r.Event, r.hash = w.deadLetter(*r, raw, fault)
			continue
		}
		late := *r
		r.hash = event.BodyHash(r.Event)
		r.refuse = func(fault *event.Fault) *docklinev1.Event {
			e, _ := w.deadLetter(late, raw, fault)
			return e
		}
	}
	return recorded, nil
}

// decode decodes one event and sees whether it can be one of this site; the rules of its kind come when it is new.
func (w *waiting) decode(raw []byte, e *docklinev1.Event) *event.Fault {
	fault := func(code, format string, args ...any) *event.Fault {
		return &event.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: code, Text: fmt.Sprintf(format, args...)}
	}
	if len(raw) > maxEventBytes {
		return fault("event_unreadable", "an event of site %s has %d bytes, no event may have more than %d; see which plugin of the site makes such records", w.site.Site, len(raw), maxEventBytes)
	}
	if err := proto.Unmarshal(raw, e); err != nil {
		return fault("event_unreadable", "an event of site %s cannot be decoded (%d bytes): %v; look at the agent's version and its disk",
			w.site.Site, len(raw), err)
	}
	event.Restore(e)
	if e.GetTenant() != w.site.Tenant || e.GetSite() != w.site.Site {
		return fault("wrong_site", "site %s/%s sent an event that says it is of %q/%q; see who uses its certificate, and its agent's configuration",
			w.site.Tenant, w.site.Site, e.GetTenant(), e.GetSite())
	}
	if !usableID(e.GetId()) {
		return fault("event_id", "an event of site %s (%s %s) has no usable id; update its agent", w.site.Site, event.KindName(e.GetKind()), e.GetSubject())
	}
	if e.GetStreamGap() != nil {
		return event.Validate(e) // it is acted on before it is logged
	}
	return nil
}

// deadLetter is the event that stands for one that could not be taken, and the hash by which it is known again. Where the
// refused one has an id of this site it is kept, so that the site's receipt names it.
func (w *waiting) deadLetter(r Recorded, raw []byte, fault *event.Fault) (*docklinev1.Event, []byte) {
	refused := r.Event
	hash := sha256.Sum256(raw)
	place := r.Epoch + "/" + strconv.FormatUint(r.Seq, 10)
	e := &docklinev1.Event{Tenant: w.site.Tenant, Site: w.site.Site, Source: source, Kind: docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED,
		SourceKey: place, ContentHash: hash[:], Origin: "epoch " + r.Epoch + " seq " + strconv.FormatUint(r.Seq, 10),
		Payload: &docklinev1.Event_DeadLetter{DeadLetter: &docklinev1.DeadLetter{Class: fault.Class, Code: fault.Code, Text: fault.Text, RefusedEvent: raw}}}
	e.OccurredAt = plausible(refused.GetOccurredAt(), refused.GetCapturedAt())
	mine := refused.GetTenant() == w.site.Tenant && refused.GetSite() == w.site.Site
	if mine && usableID(refused.GetId()) && fault.Code != "event_unreadable" {
		e.Id = refused.GetId()
		return e, event.BodyHash(refused)
	}
	e.Id = event.ID(event.Cause{Tenant: e.Tenant, Site: e.Site, Source: source, SourceKey: place, ContentHash: hash[:], Kind: event.KindName(e.Kind)})
	return e, hash[:]
}

// plausible is the first of the times that can be one.
func plausible(times ...*timestamppb.Timestamp) *timestamppb.Timestamp {
	for _, t := range times {
		if t != nil && t.CheckValid() == nil && t.GetSeconds() > 0 {
			return t
		}
	}
	return timestamppb.Now()
}

func sitesOf(envelopes []*waiting) []SiteKey {
	var sites []SiteKey
	for _, w := range envelopes {
		sites = append(sites, w.site)
	}
	slices.SortFunc(sites, compareSites)
	return slices.Compact(sites)
}

// setAside keeps an envelope whose pack cannot be read: whole in the inbox, as a gap of its epoch, and as a case for a person.
func (l *Log) setAside(ctx context.Context, tx *db.Tx, w *waiting, fault error) error {
	if _, err := tx.Exec(ctx, `UPDATE inbox SET state = ? WHERE id = ?`, stateDead, w.id); err != nil {
		return err
	}
	env := w.envelope
	if _, err := l.openGap(ctx, tx, w.site, env.GetEpoch(), env.GetFirstSeq(), env.GetLastSeq(), unreadable, ""); err != nil {
		return err
	}
	return l.report(ctx, tx, w.site.Tenant, w.origin(), []Exception{{
		Code: "unreadable_envelope", Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Severity: docklinev1.Severity_SEVERITY_ERROR, Site: w.site.Site,
		Subject: fmt.Sprintf("%s seq %d to %d", w.site.Site, env.GetFirstSeq(), env.GetLastSeq()),
		Title:   fmt.Sprintf("%s of %s cannot be read", event.Several(env.GetCount(), "event"), w.site.Site),
		Text: fmt.Sprintf("An envelope of site %s (epoch %s, seq %d to %d) arrived whole, with a good checksum, but its content cannot be read: %v. It is kept, "+
			"and tried again whenever the collector starts: update the collector, or read the records again at their source. Counts of this site wait meanwhile.",
			w.site.Site, env.GetEpoch(), env.GetFirstSeq(), env.GetLastSeq(), fault)}})
}

func (w *waiting) origin() string {
	return "envelope/" + w.site.Site + "/" + w.envelope.GetEpoch() + "/" + strconv.FormatUint(w.envelope.GetFirstSeq(), 10)
}

// reopened closes the gap and the case of envelopes that could not be read before.
func (l *Log) reopened(ctx context.Context, tx *db.Tx, read []*waiting) error {
	keys := make([][]any, 0, len(read))
	byPlace := make(map[string]*waiting, len(read))
	for _, w := range read {
		if byPlace[w.place()] == nil {
			byPlace[w.place()] = w
			keys = append(keys, []any{w.site.Tenant, w.site.Site, w.envelope.GetEpoch(), w.envelope.GetFirstSeq()})
		}
	}
	gaps, err := tx.Lookup(ctx, db.Lookup{Table: "gap", Columns: []string{"tenant", "site", "epoch", "lo"}, Key: []string{"tenant", "site", "epoch", "lo"},
		Rows: keys, Where: "cause = '" + unreadable + "' AND closed_at = 0"})
	if err != nil {
		return err
	}
	slices.SortFunc(gaps, func(a, b []any) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	for _, g := range gaps {
		w := byPlace[fmt.Sprint(g...)]
		if w == nil {
			continue
		}
		if err := l.closeGap(ctx, tx, w.site, w.envelope.GetEpoch(), w.envelope.GetFirstSeq()); err != nil {
			return err
		}
		if err := l.report(ctx, tx, w.site.Tenant, w.origin(), nil); err != nil {
			return err
		}
	}
	return nil
}

func (w *waiting) place() string {
	return fmt.Sprint(w.site.Tenant, w.site.Site, w.envelope.GetEpoch(), int64(w.envelope.GetFirstSeq()))
}
