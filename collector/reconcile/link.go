package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/state"
	"github.com/dockline/dockline/proto/event"
)

// linkRow is one event's word that what is told of a key concerns another one.
type linkRow struct {
	key, partOf, eventID string
	// inForce is 1 while that event counts for what the key is part of.
	inForce int64
	// told is what the key held when partOf was last told of it, 0 for never.
	told int64
}

var (
	// wholes are the kinds of keys to which others are linked, and parts those that are linked to others.
	wholes = []string{state.KindOrder, state.KindShipment, state.KindReturn, state.KindBlindReturn, state.KindInbound, state.KindSubmission}
	parts  = []string{state.KindReference, state.KindShipment, state.KindReturn, state.KindBlindReturn, state.KindInbound}
)

// ofKinds are those keys that are of some kinds.
func ofKinds(keys []foldKey, kinds []string) []foldKey {
	return slices.DeleteFunc(slices.Clone(keys), func(key foldKey) bool {
		kind, _, _ := strings.Cut(key.key, "/")
		return !slices.Contains(kinds, kind)
	})
}

// loadLinks reads what is linked to keys, and to what they are linked.
func (b *batch) loadLinks(ctx context.Context, keys []foldKey) (err error) {
	if b.links, err = readLinks(ctx, b.tx, "part_of", ofKinds(keys, wholes)); err != nil {
		return err
	}
	b.partOf, err = readLinks(ctx, b.tx, "link_key", ofKinds(keys, parts))
	return err
}

// readLinks reads the links of keys by one of their ends.
func readLinks(ctx context.Context, tx *db.Tx, end string, keys []foldKey) (map[foldKey][]linkRow, error) {
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "link", Columns: []string{"tenant", end, "link_key", "part_of", "event_id", "in_force", "told"}, Key: []string{"tenant", end}, Rows: rowsOf(keys)})
	if err != nil {
		return nil, err
	}
	links := make(map[foldKey][]linkRow)
	for _, row := range rows {
		links[keyOf(row)] = append(links[keyOf(row)], linkRow{row[2].(string), row[3].(string), row[4].(string), row[5].(int64), row[6].(int64)})
	}
	return links, nil
}

// linkedKeys are the keys of links under which facts may be filed, each once, sorted.
func linkedKeys(links []linkRow) []string {
	var keys []string
	for _, l := range links {
		if state.Carries(l.key) {
			keys = append(keys, l.key)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// withLinked adds to keys those that are linked to them, each once.
func (b *batch) withLinked(keys []foldKey) []foldKey {
	all := slices.Clone(keys)
	seen := make(map[foldKey]bool, len(keys))
	for _, key := range keys {
		seen[key] = true
	}
	for _, key := range keys {
		for _, via := range linkedKeys(b.links[key]) {
			if linked := (foldKey{key.tenant, via}); !seen[linked] {
				seen[linked] = true
				all = append(all, linked)
			}
		}
	}
	return all
}

// linkedTo reads the keys that are linked to a key and may have facts.
func (w *Worker) linkedTo(ctx context.Context, key foldKey) (keys []string, err error) {
	err = w.DB.Read(ctx, func(tx *db.Tx) error {
		links, err := readLinks(ctx, tx, "part_of", ofKinds([]foldKey{key}, wholes))
		keys = linkedKeys(links[key])
		return err
	})
	return keys, err
}

// appendFact adds a fact of a key; one that came through a link only where it says something to the key.
func appendFact(facts []state.Fact, key foldKey, fact state.Fact) []state.Fact {
	if fact.Via == "" {
		return append(facts, fact)
	}
	if !state.Follows(fact.Event.GetKind()) {
		return facts
	}
	part, ok := state.Concerning(key.key, fact.Event)
	if !ok {
		return facts
	}
	fact.Event = part
	return append(facts, fact)
}

// countFacts counts facts, those too for which others stand.
func countFacts(facts []state.Fact) (n int) {
	for _, fact := range facts {
		n += int(fact.Counted())
	}
	return n
}

// tellWholes has what the key is part of folded again where the key has something to say to it. Of a key with a state, which others may be
// linked to in a circle, only what is new is told. A name is folded too when something else gets it: then only that is told, since a name such
// as "N/A" may be that of very many.
func (v *view) tellWholes(kind string) {
	links := v.batch.partOf[v.foldKey]
	if len(links) == 0 || kind != state.KindReference && !v.news() {
		return
	}
	holds := int64(0)
	if kind == state.KindReference {
		holds = v.holds()
	}
	for _, l := range links {
		if holds == 0 || l.told != holds {
			v.outcome.also = append(v.outcome.also, l.partOf)
			v.outcome.told = holds
		}
	}
}

// holds is what the facts of a name come to, with whose it is where several have it; never 0.
func (v *view) holds() int64 {
	var all []string
	for _, f := range v.facts {
		all = append(all, f.Event.GetId()+string(event.BodyHash(f.Event))+fmt.Sprint(event.IsElsewhere(f.Event)))
	}
	slices.Sort(all)
	if by := v.contested(); by != "" {
		all = append(all, "contested: "+by)
	}
	sum := sha256.Sum256([]byte(strings.Join(all, "\x00")))
	return int64(binary.BigEndian.Uint64(sum[:]) | 1)
}

// news tells whether something that others follow was told since the key was last folded.
func (v *view) news() bool {
	if v.had != nil && v.had.factCount == int64(v.own) {
		return false
	}
	return slices.ContainsFunc(v.facts, func(f state.Fact) bool { return f.Via == "" && state.Follows(f.Event.GetKind()) })
}

// holdLinks notes which links hold: those of events that count for this key. A name that is in use no longer, or again, is looked at anew.
func (v *view) holdLinks() {
	links := v.batch.links[v.foldKey]
	if len(links) == 0 {
		return
	}
	counts := state.Linking(v.facts)
	for _, l := range links {
		holds := int64(0)
		if counts[l.eventID] {
			holds = 1
		}
		if l.inForce != holds {
			l.inForce = holds
			v.outcome.links = append(v.outcome.links, l)
			if kind, _, _ := strings.Cut(l.key, "/"); kind == state.KindReference && state.Carries(l.key) {
				v.outcome.also = append(v.outcome.also, l.key)
			}
		}
	}
}

// hasWhole tells whether anything that still counts says to what the key belongs.
func (v *view) hasWhole() bool {
	return slices.ContainsFunc(v.batch.partOf[v.foldKey], func(l linkRow) bool { return l.inForce == 1 })
}
