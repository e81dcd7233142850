package eventlog_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// Whatever the fields of an event hold that a database, a day or a key cannot, it costs that event only: it is kept as a dead letter or as it
// is, and the events beside it are logged. Shows: E07.
func TestHostileFieldsCostOneEvent(t *testing.T) {
	hostile := map[string]func(e *docklinev1.Event){
		"id with NUL":       func(e *docklinev1.Event) { e.Id = "a\x00b" },
		"id with a newline": func(e *docklinev1.Event) { e.Id = "a\nb" },
		"subject with NUL":  func(e *docklinev1.Event) { e.Subject = "SO\x001" },
		"source with NUL":   func(e *docklinev1.Event) { e.Source = "w\x00ms" },
		"key with NUL":      func(e *docklinev1.Event) { e.SourceKey = "k\x001" },
		"revision with NUL": func(e *docklinev1.Event) { e.SourceRevision = "\x00" },
		"order with NUL":    func(e *docklinev1.Event) { e.GetPick().Lines[0].Order = "S\x00O" },
		"item with NUL":     func(e *docklinev1.Event) { e.GetPick().Lines[0].Item = "S\x00O" },
		"order of a megabyte": func(e *docklinev1.Event) {
			e.GetPick().Lines[0].Order = strings.Repeat("x", 1<<20)
		},
		"subject of a megabyte": func(e *docklinev1.Event) { e.Subject = strings.Repeat("x", 1<<20) },
		"source of a megabyte":  func(e *docklinev1.Event) { e.Source = strings.Repeat("x", 1<<20) },
		"correlation with NUL":  func(e *docklinev1.Event) { e.CorrelationId = "\x00" },
		"origin with NUL":       func(e *docklinev1.Event) { e.Origin = "\x00" },
		"occurred far ahead":    func(e *docklinev1.Event) { e.OccurredAt = &timestamppb.Timestamp{Seconds: math.MaxInt64, Nanos: -5} },
		"occurred in year 9999": func(e *docklinev1.Event) { e.OccurredAt = timestamppb.New(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)) },
		"captured far ahead":    func(e *docklinev1.Event) { e.CapturedAt = &timestamppb.Timestamp{Seconds: math.MinInt64} },
		"captured in year 9999": func(e *docklinev1.Event) {
			e.CapturedAt = timestamppb.New(time.Date(9999, 12, 31, 23, 59, 0, 0, time.UTC))
		},
		"captured in year 1":    func(e *docklinev1.Event) { e.CapturedAt = timestamppb.New(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)) },
		"kind unknown":          func(e *docklinev1.Event) { e.Kind = 9999 },
		"kind negative":         func(e *docklinev1.Event) { e.Kind = math.MinInt32 },
		"no payload":            func(e *docklinev1.Event) { e.Payload = nil },
		"quantity endless":      func(e *docklinev1.Event) { e.GetPick().Lines[0].Quantity.Value = strings.Repeat("9", 1<<16) },
		"quantity exponent":     func(e *docklinev1.Event) { e.GetPick().Lines[0].Quantity.Value = "1e999999999" },
		"quantity not a number": func(e *docklinev1.Event) { e.GetPick().Lines[0].Quantity.Value = "NaN" },
		"letter with NUL": func(e *docklinev1.Event) {
			e.Kind = docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED
			e.Payload = &docklinev1.Event_DeadLetter{DeadLetter: &docklinev1.DeadLetter{Code: "\x00", Text: "\x00", RefusedEvent: []byte("\x00")}}
		},
		"gap with NUL": func(e *docklinev1.Event) {
			e.Kind = docklinev1.EventKind_EVENT_KIND_STREAM_GAP
			e.Payload = &docklinev1.Event_StreamGap{StreamGap: &docklinev1.StreamGap{Epoch: "\x00", FirstSeq: math.MaxUint64, LastSeq: 0}}
		},
	}
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		for name, spoil := range hostile {
			t.Run(name, func(t *testing.T) {
				w := newWorld(t, d)
				defer w.wipe()
				bad := pick("dc-east", "SO1", "bad", 1)
				spoil(bad)
				for _, a := range w.send(events(t, envelope(t, "dc-east", 1, 1, pick("dc-east", "SO1", "a", 1), bad, pick("dc-east", "SO2", "b", 1)))...) {
					t.Logf("answer %v", a)
				}
				filled, err := w.filler.Step(t.Context())
				if err != nil || filled.Unreadable != 0 || filled.Logged != 3 {
					t.Errorf("%+v, %v", filled, err)
				}
				w.expect("inbox rows", 0, `SELECT count(*) FROM inbox`)
				w.expect("receipts", 3, `SELECT count(*) FROM receipt`)
				if n := w.place(); n != 3 {
					t.Errorf("%d got an offset", n)
				}
			})
		}
	})
}
