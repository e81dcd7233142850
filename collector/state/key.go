package state

import (
	"slices"
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// releaseCommand is what the key of an order's command begins with.
const releaseCommand = "release/"

// CommandKey is the key of the command that carries an order to a site and takes it back.
func CommandKey(order string) string { return releaseCommand + order }

// orderOfCommand is the order of a command that carries one.
func orderOfCommand(key string) (order string, ok bool) {
	return strings.CutPrefix(key, releaseCommand)
}

// OpeningKey is the fold key of a site's stock snapshots.
func OpeningKey(site string) string { return event.Key(KindOpening, site) }

// DeclarationKey is the fold key of what was declared about an event: that it was told in error.
func DeclarationKey(eventID string) string { return event.Key(KindDeclaration, eventID) }

// Keys is the fold keys that an event touches, in a fixed order, each with the part of the event that concerns it. Every key that the event
// names itself is there, and of what it can only call by a name of the world's (a tracking number, an SSCC) the key of that name.
func Keys(e *docklinev1.Event, m Mapping) []Touch {
	return append(businessTouches(e), stockTouches(e, m)...)
}

// businessTouches are all keys but those of the stock ledger.
func businessTouches(e *docklinev1.Event) []Touch {
	switch p := e.GetPayload().(type) {
	case *docklinev1.Event_Pick:
		return byLine(e, p.Pick.GetLines(), orderKeyOf)
	case *docklinev1.Event_Pack:
		return byLine(e, p.Pack.GetLines(), orderKeyOf)
	case *docklinev1.Event_Count:
		return whole(e, event.CountKey(e.GetSite(), p.Count.GetNumber()))
	case *docklinev1.Event_CommandResult:
		if order, ok := orderOfCommand(p.CommandResult.GetKey()); ok {
			return whole(e, event.OrderKey(order))
		}
		return whole(e, recordKey(e))
	case *docklinev1.Event_DeadLetter, *docklinev1.Event_StreamGap:
		return whole(e, recordKey(e))
	case *docklinev1.Event_ErrorDeclaration:
		return whole(e, DeclarationKey(p.ErrorDeclaration.GetEventId()))
	case *docklinev1.Event_MilestoneChange:
		return aboutKey(e, p.MilestoneChange.GetKey(), KindOrder, KindShipment, KindReturn, KindBlindReturn)
	case *docklinev1.Event_Decision:
		return aboutKey(e, p.Decision.GetKey(), KindOrder)
	case *docklinev1.Event_RecordSettlement:
		return aboutKey(e, p.RecordSettlement.GetKey(), KindRecord)
	}
	t := newTouches(e)
	if !t.ofOrder() && !t.ofGoods() {
		t.ofStock()
	}
	if len(t.list) == 0 && e.GetLoad() != nil { // a trailer alone
		t.whole(recordKey(e))
	}
	return t.list
}

// aboutKey gives a person's word to the key that it names, where that is one of these kinds.
func aboutKey(e *docklinev1.Event, key string, kinds ...string) []Touch {
	if kind, _, err := event.ParseKey(key); err != nil || !slices.Contains(kinds, kind) {
		return nil
	}
	return whole(e, key)
}

func recordKey(e *docklinev1.Event) string {
	key := e.GetSourceKey()
	if key == "" {
		key = e.GetId()
	}
	return event.Key(KindRecord, e.GetSite(), e.GetSource(), key)
}

func whole(e *docklinev1.Event, key string) []Touch { return []Touch{{key, e}} }

func orderKeyOf(line *docklinev1.Line) string {
	if line.GetOrder() == "" {
		return ""
	}
	return event.OrderKey(line.GetOrder())
}

// stockKeyOf finds the bucket that a line moves, counts or opens; a line without a bin moves none that we keep.
func stockKeyOf(e *docklinev1.Event, site string, m Mapping) func(*docklinev1.Line) string {
	return func(line *docklinev1.Line) string {
		if line.GetBin() == "" {
			return ""
		}
		return bucketOf(e, site, line, m).Key()
	}
}

func stockItem(m Mapping, site string, line *docklinev1.Line) string {
	if item, ok := m.Item(site, line.GetItem(), line.GetGtin()); ok {
		return item
	}
	return UnmappedPrefix + rawCode(line)
}

// byLine groups lines by key, in the order of their first line. Lines without a key are left out.
func byLine(e *docklinev1.Event, lines []*docklinev1.Line, keyOf func(*docklinev1.Line) string) []Touch {
	groups, keys := grouped(lines, keyOf)
	touches := make([]Touch, 0, len(keys))
	for _, key := range keys {
		part := e
		if len(groups[key]) < len(lines) {
			part = event.WithLines(e, groups[key])
		}
		touches = append(touches, Touch{key, part})
	}
	return touches
}

// grouped is lines by key, and the keys in the order of their first line; a line without a key is left out.
func grouped(lines []*docklinev1.Line, keyOf func(*docklinev1.Line) string) (groups map[string][]*docklinev1.Line, keys []string) {
	groups = make(map[string][]*docklinev1.Line)
	for _, line := range lines {
		key := keyOf(line)
		if key == "" {
			continue
		}
		if groups[key] == nil {
			keys = append(keys, key)
		}
		groups[key] = append(groups[key], line)
	}
	return groups, keys
}
