package health

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// day is what "today's rate" is measured over; sampleEvery how often the number captured is written down.
	day, sampleEvery = 24 * time.Hour, time.Hour
	// leastSpan is the shortest time that a rate is drawn from: a burst after the start is not yet a day's work.
	leastSpan = 15 * time.Minute
	// sizeOfOne is what an event takes in the journal's files where it holds too few to tell (a synced commit of its own, before packing).
	sizeOfOne, fewEvents = 900, 1000
)

// Outlook works out how long the journal's room lasts at today's rate. It writes down how many events had been captured, every hour, so
// that a restart does not forget the day.
type Outlook struct {
	// Path of its file; "" keeps it in memory.
	Path string

	mu      sync.Mutex
	loaded  bool
	samples []sample
}

// sample is how many events had been captured at a time.
type sample struct {
	At       time.Time `json:"at"`
	Captured uint64    `json:"captured"`
}

// Room is what there is for events, and how it was used so far.
type Room struct {
	// Free is how many bytes the journal may still take, on its limit and on the disk.
	Free int64
	// Held events take Bytes.
	Held  uint64
	Bytes int64
	// Captured counts the events since the journal's folder began.
	Captured uint64
}

// DaysUntilFull is in how many days the room is full if events come as they did in the last 24 hours and none leave; nil where none came.
func (o *Outlook) DaysUntilFull(now time.Time, r Room) *float64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.load()
	o.note(now, r.Captured)
	oldest := o.samples[0]
	if r.Captured <= oldest.Captured {
		return nil
	}
	span := max(now.Sub(oldest.At), leastSpan)
	perDay := float64(r.Captured-oldest.Captured) / (span.Hours() / 24)
	size := float64(sizeOfOne)
	if r.Held >= fewEvents && r.Bytes > 0 {
		size = float64(r.Bytes) / float64(r.Held)
	}
	days := float64(max(r.Free, 0)) / (perDay * size)
	return &days
}

// note keeps the samples of the last day, one an hour. A number that fell belongs to another journal, a time in the future to a clock that
// was set back: both begin anew.
func (o *Outlook) note(now time.Time, captured uint64) {
	if n := len(o.samples); n > 0 && (o.samples[n-1].Captured > captured || o.samples[n-1].At.After(now)) {
		o.samples = nil
	}
	for len(o.samples) > 1 && now.Sub(o.samples[1].At) >= day {
		o.samples = o.samples[1:]
	}
	if n := len(o.samples); n > 0 && now.Sub(o.samples[n-1].At) < sampleEvery {
		return
	}
	o.samples = append(o.samples, sample{now.UTC(), captured})
	o.save()
}

func (o *Outlook) load() {
	if o.loaded || o.Path == "" {
		return
	}
	o.loaded = true
	text, err := os.ReadFile(o.Path)
	if err != nil || json.Unmarshal(text, &o.samples) != nil {
		o.samples = nil // the day begins anew
	}
}

// save replaces the file. Where that fails a restart knows less of the day, which is no fault to bother anybody with.
func (o *Outlook) save() {
	if o.Path == "" {
		return
	}
	text, err := json.Marshal(o.samples)
	if err != nil || os.MkdirAll(filepath.Dir(o.Path), 0o700) != nil {
		return
	}
	if err := errors.Join(os.WriteFile(o.Path+".tmp", text, 0o600), os.Rename(o.Path+".tmp", o.Path)); err != nil {
		_ = os.Remove(o.Path + ".tmp")
	}
}
