package journal

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	// dayPrefix is before the date in the key of a day's counts, in the bucket "meta".
	dayPrefix = "day/"
	// keepDays is how many days are counted; the oldest make place.
	keepDays = 40
)

// dayCount is what was accepted on one day: events in all, and the dead letters among them.
type dayCount struct {
	accepted, refused uint64
}

// dayCounts are counts by date, "2026-11-26", UTC, of the moment at which the host recorded an event.
type dayCounts map[string]dayCount

// add counts an event; one without a moment belongs to no day.
func (d *dayCounts) add(e *docklinev1.Event) {
	if !e.GetCapturedAt().IsValid() {
		return
	}
	if *d == nil {
		*d = dayCounts{}
	}
	date := e.GetCapturedAt().AsTime().Format(time.DateOnly)
	n := (*d)[date]
	n.accepted++
	if e.GetKind() == docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED {
		n.refused++
	}
	(*d)[date] = n
}

// plus returns the counts with those of more added; neither of the two changes.
func (d dayCounts) plus(more dayCounts) dayCounts {
	if len(more) == 0 {
		return d
	}
	sum := maps.Clone(d)
	if sum == nil {
		sum = dayCounts{}
	}
	for date, n := range more {
		have := sum[date]
		sum[date] = dayCount{have.accepted + n.accepted, have.refused + n.refused}
	}
	return sum
}

// atLeast raises counts to those of other: both tell of the same days, and the higher one is the later.
func (d dayCounts) atLeast(other dayCounts) dayCounts {
	sum := maps.Clone(d)
	if sum == nil {
		sum = dayCounts{}
	}
	for date, n := range other {
		have := sum[date]
		sum[date] = dayCount{max(have.accepted, n.accepted), max(have.refused, n.refused)}
	}
	return sum
}

// latest leaves out the oldest days beyond keepDays.
func (d dayCounts) latest() dayCounts {
	if len(d) <= keepDays {
		return d
	}
	dates := slices.Sorted(maps.Keys(d))
	kept := dayCounts{}
	for _, date := range dates[len(dates)-keepDays:] {
		kept[date] = d[date]
	}
	return kept
}

// messages are the counts for a heartbeat, the oldest day first.
func (d dayCounts) messages() []*docklinev1.DayCount {
	var days []*docklinev1.DayCount
	for _, date := range slices.Sorted(maps.Keys(d)) {
		days = append(days, &docklinev1.DayCount{Date: date, Accepted: d[date].accepted, Refused: d[date].refused})
	}
	return days
}

// put writes the days that differ from before, and deletes those that have made place.
func (d dayCounts) put(meta *bbolt.Bucket, before dayCounts) error {
	for date, n := range d {
		if before[date] == n {
			continue
		}
		body := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, n.accepted), n.refused)
		if err := meta.Put([]byte(dayPrefix+date), makeRecord(time.Time{}, body)); err != nil {
			return err
		}
	}
	for date := range before {
		if _, kept := d[date]; !kept {
			if err := meta.Delete([]byte(dayPrefix + date)); err != nil {
				return err
			}
		}
	}
	return nil
}

// readDay reads one record of readDays.
func readDay(record []byte) (dayCount, bool) {
	_, body, err := openRecord(record)
	if err != nil || len(body) != 16 {
		return dayCount{}, false
	}
	return dayCount{binary.BigEndian.Uint64(body), binary.BigEndian.Uint64(body[8:])}, true
}

// readDays reads the counts of a file. A damaged one is damage of the file like any other.
func readDays(tx *bbolt.Tx) (dayCounts, error) {
	days := dayCounts{}
	cursor := tx.Bucket(bucketMeta).Cursor()
	for key, value := cursor.Seek([]byte(dayPrefix)); bytes.HasPrefix(key, []byte(dayPrefix)); key, value = cursor.Next() {
		n, ok := readDay(value)
		if !ok {
			return nil, ErrDamaged
		}
		days[string(key[len(dayPrefix):])] = n
	}
	return days, nil
}
