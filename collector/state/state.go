// Package state folds the facts of one key into its state. It is pure: no clock, no I/O, no randomness, and any permutation of
// the same facts gives the same state and the same hash.
package state

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Kinds of fold keys beside those of package event: a record that could not become an event (or a hole in a stream), and the
// opening of a site's stock ledger.
const (
	KindOrder    = "order"
	KindShipment = "shipment"
	KindCount    = "count"
	KindStock    = "stock"
	KindRecord   = "record"
	KindOpening  = "opening"
	// KindSubmission is an order that was handed in, by the number that its source gave it.
	KindSubmission  = "submission"
	KindReturn      = "return"
	KindBlindReturn = "blind_return"
	KindInbound     = "inbound"
	// KindReference is a name by which the world calls one of these: a tracking number, an SSCC, an invoice.
	KindReference = "reference"
	// KindDeclaration is what was declared about an event, by the event's id.
	KindDeclaration = "declaration"
)

// UnmappedPrefix stands before an item's raw code in the stock ledger while the mapping does not know it.
const UnmappedPrefix = "unmapped:"

// Touch is a fold key and what an event says about it: the event with only the lines that concern the key.
type Touch struct {
	Key   string
	Event *docklinev1.Event
}

// Fact is one thing known about a key. EpochOrdinal and Seq are where the site's journal had it, 0 for a fact from the centre.
type Fact struct {
	EpochOrdinal uint64
	Seq          uint64
	Event        *docklinev1.Event
	// Via is the key through which it came, of something that is part of what is folded; "" for a fact of the key itself.
	Via string
	// Group: it stands for many facts, of which Event is what they have in common.
	Group *Group
}

// Mapping resolves the codes of sources. It must answer the same for the same input.
type Mapping interface {
	// Item is the item for a site's code, or for a GTIN where there is no code. ok is false where the mapping does not know it.
	Item(site, code, gtin string) (item string, ok bool)
	// Base converts millionths of a site's unit into millionths of the item's base unit. The empty unit is the base unit.
	Base(site, item, unit string, millionths int64) (base int64, ok bool)
}

// Finding is something in the facts themselves that a person must put right. Codes and texts are the same whatever the order
// in which facts arrived.
type Finding struct {
	Class docklinev1.FaultClass
	// Code is a stable short name: "unknown_item".
	Code string
	// Subject tells findings of one code and key apart.
	Subject  string
	Title    string
	Text     string
	Site     string
	EventIDs []string
}

// Hash is that of a state without what depends on how far the streams of a site are complete: the standing of a count that is
// either waiting or final.
func Hash(m proto.Message) (string, error) {
	if stock, ok := m.(*docklinev1.StockState); ok {
		stock = proto.CloneOf(stock)
		for _, v := range stock.GetVariances() {
			if v.GetStanding() != StandingRecount {
				v.Standing = ""
			}
		}
		m = stock
	}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("hash state: %w", err)
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:]), nil
}

// byHappening orders facts as they happened, by nothing that depends on their journey: time, movement number, event id.
func byHappening(a, b Fact) int {
	return cmp.Or(
		occurred(a.Event).Compare(occurred(b.Event)),
		cmp.Compare(a.Event.GetMovement(), b.Event.GetMovement()),
		cmp.Compare(a.Event.GetId(), b.Event.GetId()),
	)
}

func occurred(e *docklinev1.Event) time.Time { return e.GetOccurredAt().AsTime() }

// mostBase bounds a line in its base unit as the site's own unit is bounded: thousands of such lines still add up without going round.
const mostBase = event.MaxQuantity * event.Scale

// quantity is the line's quantity in millionths of the base unit. item is "" where the code is not known; the finding then
// says so, or that the unit or the number is not.
func quantity(m Mapping, e *docklinev1.Event, line *docklinev1.Line, q *docklinev1.Quantity) (item string, base int64, fault *Finding) {
	item, ok := m.Item(e.GetSite(), line.GetItem(), line.GetGtin())
	if !ok {
		return "", 0, unknownItem(e, line)
	}
	raw, err := event.ParseQuantity(q.GetValue())
	if err != nil {
		return item, 0, badQuantity(e, line, err)
	}
	base, ok = m.Base(e.GetSite(), item, q.GetUnit(), raw)
	if !ok {
		return item, 0, unknownUnit(e, line, q.GetUnit())
	}
	if base > mostBase || base < -mostBase {
		return item, 0, badQuantity(e, line, fmt.Errorf("%s %s is %s in its base unit, more than any dock moves", q.GetValue(), q.GetUnit(), event.FormatQuantity(base)))
	}
	return item, base, nil
}

// rawCode is what the source calls the item.
func rawCode(line *docklinev1.Line) string {
	if line.GetItem() != "" {
		return line.GetItem()
	}
	return line.GetGtin()
}
