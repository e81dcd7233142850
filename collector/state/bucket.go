package state

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Bucket names one stock key: what lies in a bin of a site, by item, lot, status and owner. Without a bin it is somewhere at the site.
type Bucket struct {
	Site, Bin, Item, Lot, Status, Owner string
}

// Key is the bucket's fold key.
func (b Bucket) Key() string {
	return event.OwnedStockKey(b.Site, b.Bin, b.Item, b.Lot, b.Status, b.Owner)
}

// ParseBucket reads a fold key of the kind stock.
func ParseBucket(key string) (Bucket, error) {
	kind, parts, err := event.ParseKey(key)
	if err != nil {
		return Bucket{}, err
	}
	if kind != KindStock {
		return Bucket{}, fmt.Errorf("key %q: not of a stock bucket", key)
	}
	b := Bucket{Site: parts[0], Bin: parts[1], Item: parts[2], Lot: parts[3], Status: parts[4]}
	if len(parts) > 5 {
		b.Owner = parts[5]
	}
	return b, nil
}

// Unmapped: the mapping did not know the item.
func (b Bucket) Unmapped() bool { return strings.HasPrefix(b.Item, UnmappedPrefix) }

// bucketOf is the bucket that a line names.
func bucketOf(e *docklinev1.Event, site string, line *docklinev1.Line, m Mapping) Bucket {
	return Bucket{Site: site, Bin: line.GetBin(), Item: stockItem(m, e.GetSite(), line), Lot: line.GetLot(),
		Status: cmp.Or(line.GetStockStatus(), event.Available), Owner: line.GetOwner()}
}

// then is where a line's goods are after what it says of their bin, lot, status and owner.
func (b Bucket) then(line *docklinev1.Line) Bucket {
	b.Bin = cmp.Or(line.GetToBin(), b.Bin)
	b.Lot = cmp.Or(line.GetToLot(), b.Lot)
	b.Status = cmp.Or(line.GetToStatus(), b.Status)
	b.Owner = cmp.Or(line.GetToOwner(), b.Owner)
	return b
}

// pickedKey is where goods are between their bin and the door. Packing does not move them: sites that do not tell of it would have them
// in two places.
func (b Bucket) pickedKey() string {
	b.Bin, b.Status = "", StatusPicked
	return b.Key()
}

// fromSite is the site that goods of a transfer come from: its receipt names site:ID as supplier.
func fromSite(supplier string) (string, bool) { return strings.CutPrefix(supplier, "site:") }

// Moment is when something happened to a bucket: at a time, and by the source's own number where it has one.
type Moment struct {
	At       time.Time
	Source   string
	Movement uint64
}

// MomentOf is that of an event.
func MomentOf(e *docklinev1.Event) Moment {
	return Moment{occurred(e).Truncate(time.Microsecond), e.GetSource(), e.GetMovement()}
}

// MomentOfRow is that of a row of the ledger.
func MomentOfRow(r *docklinev1.LedgerRow) Moment {
	return Moment{r.GetOccurredAt().AsTime(), r.GetSource(), r.GetMovement()}
}

// numbered: one source has given both a number.
func (m Moment) numbered(n Moment) bool {
	return m.Movement > 0 && n.Movement > 0 && m.Source == n.Source
}

// Compare says which of two was first: by their source's own numbers where both have one, else by time.
func (m Moment) Compare(n Moment) int {
	if m.numbered(n) {
		return cmp.Compare(m.Movement, n.Movement)
	}
	return m.At.Compare(n.At)
}

// Tied tells whether the clocks cannot say which of two was first.
func (m Moment) Tied(n Moment, uncertainty time.Duration) bool {
	return !m.numbered(n) && m.At.Sub(n.At).Abs() <= uncertainty
}

func microTime(micros int64) time.Time { return time.UnixMicro(micros).UTC() }
