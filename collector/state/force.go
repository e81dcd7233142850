package state

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Force is what the facts of a key come to once duplicates, corrections and contradictions are settled.
type Force struct {
	// Facts is what counts, in the order in which it happened.
	Facts []Fact
	// Former is what counted until a revision took its place, and the second scans of what counts.
	Former []Fact
	// Declared is what was told in error, as somebody declared.
	Declared []Fact
	found    findings
}

// inForce settles facts. Of one event id with several bodies the lower (epoch ordinal, Seq) counts. Of one source record the
// highest revision counts; where the source has no revisions the first counts and the others are shown to a person. A version that counts
// for another key (event.Elsewhere) leaves nothing here. What was declared an error does not count at all, nor what came through a link that
// holds no longer.
func inForce(facts []Fact) Force {
	f := Force{found: make(findings)}
	facts, f.Declared = withoutDeclared(facts)
	unique, doubles := withoutDoubles(f.unique(linked(facts)))
	f.Former = doubles
	last := make(map[string]int, len(unique)) // of each record, the place behind that of its last version
	former := make([]int, len(unique))
	for i, fact := range unique {
		record := event.Record(fact.Event)
		if record == "" {
			record = "\x00" + fact.Event.GetId()
		}
		former[i] = last[record]
		last[record] = i + 1
	}
	f.Facts = make([]Fact, 0, len(last))
	var versions []Fact
	for _, at := range last {
		versions = versions[:0]
		for ; at > 0; at = former[at-1] {
			versions = append(versions, unique[at-1])
		}
		if chosen := f.choose(versions); !event.IsElsewhere(chosen.Event) {
			f.Facts = append(f.Facts, chosen)
		}
	}
	f.Former = slices.DeleteFunc(f.Former, func(fact Fact) bool { return event.IsElsewhere(fact.Event) })
	slices.SortFunc(f.Facts, byHappening)
	slices.SortFunc(f.Former, byHappening)
	return f
}

// former is the events that a revision replaced, or that are second scans.
func (f *Force) former() []*docklinev1.Event {
	var list []*docklinev1.Event
	for _, fact := range f.Former {
		list = append(list, fact.Event)
	}
	return list
}

func (f *Force) unique(facts []Fact) []Fact {
	byID := make(map[string]int, len(facts))
	list := make([]Fact, 0, len(facts))
	for _, fact := range facts {
		at, ok := byID[fact.Event.GetId()]
		if !ok {
			byID[fact.Event.GetId()] = len(list)
			list = append(list, fact)
			continue
		}
		first, other := list[at], fact
		if byJournal(fact, first) < 0 {
			first, other = fact, first
		}
		list[at] = first
		if !bytes.Equal(event.BodyHash(first.Event), event.BodyHash(other.Event)) {
			f.found.add(changedEvent(first.Event))
		}
	}
	return list
}

// byJournal orders facts as the site's journal had them; the body decides between two that it cannot tell apart.
func byJournal(a, b Fact) int {
	return cmp.Or(
		cmp.Compare(a.EpochOrdinal, b.EpochOrdinal),
		cmp.Compare(a.Seq, b.Seq),
		byHappening(a, b),
		bytes.Compare(event.BodyHash(a.Event), event.BodyHash(b.Event)),
	)
}

// recordName is the record for people; within a fold key it is unique too.
func recordName(e *docklinev1.Event) string {
	object, _, _ := strings.Cut(event.KindName(e.GetKind()), ".")
	name := strings.TrimSpace(e.GetSite() + " " + e.GetSource() + " " + object + " " + e.GetSourceKey())
	if e.GetOrdinal() > 0 {
		name += fmt.Sprintf(" part %d", e.GetOrdinal()+1)
	}
	return name
}

// choose picks the version of a record that counts.
func (f *Force) choose(versions []Fact) Fact {
	if len(versions) == 1 {
		return versions[0]
	}
	if own := slices.DeleteFunc(slices.Clone(versions), func(fact Fact) bool { return event.IsCorrection(fact.Event) }); len(own) < len(versions) {
		return f.overCorrections(own, versions)
	}
	revised := slices.ContainsFunc(versions, func(fact Fact) bool { return fact.Event.GetSourceRevision() != "" })
	if !revised {
		slices.SortFunc(versions, byJournal)
		if versions[0].Event.GetKind() == docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED { // the same bad line, in another file: what it says of where it stood is newer
			return versions[len(versions)-1]
		}
		if !event.IsElsewhere(versions[0].Event) && versions[0].Via == "" { // told once, where the one that counts is
			f.found.add(changedRecord(versions))
		}
		return versions[0]
	}
	slices.SortFunc(versions, byRevision)
	last := versions[len(versions)-1]
	f.Former = append(f.Former, versions[:len(versions)-1]...)
	return last
}

// overCorrections: what a record's own source says goes before what a person wrote in its place while it was refused; of several of these the
// last counts.
func (f *Force) overCorrections(own, all []Fact) Fact {
	corrections := slices.DeleteFunc(slices.Clone(all), func(fact Fact) bool { return !event.IsCorrection(fact.Event) })
	if len(own) > 0 {
		f.Former = append(f.Former, corrections...)
		return f.choose(own)
	}
	slices.SortFunc(corrections, byHappening)
	last := len(corrections) - 1
	f.Former = append(f.Former, corrections[:last]...)
	return corrections[last]
}

// byRevision orders versions by the source's own revision, then by what a kind says about finality, then by time and id.
func byRevision(a, b Fact) int {
	return cmp.Or(
		compareRevisions(a.Event.GetSourceRevision(), b.Event.GetSourceRevision()),
		cmp.Compare(finality(a.Event.GetKind()), finality(b.Event.GetKind())),
		byHappening(a, b),
	)
}

// finality: of two facts of an order with equal revisions, the one that ends it counts.
func finality(k docklinev1.EventKind) int {
	switch k {
	case docklinev1.EventKind_EVENT_KIND_ORDER_CANCELLED:
		return 3
	case docklinev1.EventKind_EVENT_KIND_ORDER_REJECTED:
		return 2
	case docklinev1.EventKind_EVENT_KIND_ORDER_CHANGED:
		return 1
	}
	return 0
}

// compareRevisions orders numbers as numbers and RFC 3339 times as times, all else byte by byte; none is before all.
func compareRevisions(a, b string) int {
	classA, classB := revisionClass(a), revisionClass(b)
	if classA != classB {
		return cmp.Compare(classA, classB)
	}
	switch classA {
	case revisionNumber:
		a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	case revisionTime:
		timeA, _ := time.Parse(time.RFC3339Nano, a)
		timeB, _ := time.Parse(time.RFC3339Nano, b)
		return cmp.Or(timeA.Compare(timeB), cmp.Compare(a, b))
	}
	return cmp.Compare(a, b)
}

const (
	revisionNone = iota
	revisionNumber
	revisionTime
	revisionText
)

func revisionClass(s string) int {
	if s == "" {
		return revisionNone
	}
	if strings.Trim(s, "0123456789") == "" {
		return revisionNumber
	}
	if _, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return revisionTime
	}
	return revisionText
}

func changedEvent(e *docklinev1.Event) *Finding {
	return &Finding{Class: technical, Code: CodeChangedEvent, Subject: e.GetId(), Title: "One event id with two contents", Site: e.GetSite(), EventIDs: []string{e.GetId()},
		Text: fmt.Sprintf("%s %s (source %s, record %q) arrived twice with different content. The one first written to the site's journal counts; look at both in the event log, and find out whether the source uses a key again.",
			event.KindName(e.GetKind()), e.GetSubject(), e.GetSource(), e.GetSourceKey())}
}

func changedRecord(versions []Fact) *Finding {
	first := versions[0].Event
	found := &Finding{Class: data, Code: CodeChangedRecord, Subject: recordName(first), Title: "A record changed without a revision", Site: first.GetSite(),
		Text: fmt.Sprintf("%s %s (source %s, record %q) was told again with other content and no revision. The first one counts. If the later one is right, correct it at the source under a new key, or map a revision column.",
			event.KindName(first.GetKind()), first.GetSubject(), first.GetSource(), first.GetSourceKey())}
	for _, fact := range versions {
		found.EventIDs = append(found.EventIDs, fact.Event.GetId())
	}
	found.EventIDs = sortedSet(found.EventIDs)
	return found
}
