package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/wire"
)

func suite() (*Suite, *[]Measure) {
	var made []Measure
	return &Suite{area: "area", Out: func(m Measure) { made = append(made, m) }}, &made
}

func TestAGateHoldsOnItsOwnSideOnly(t *testing.T) {
	for _, c := range []struct {
		g    gate
		v    float64
		want bool
	}{
		{atLeast(2), 2, true}, {atLeast(2), 1.99, false}, {atMost(2), 2, true}, {atMost(2), 2.01, false},
		{atLeast(2), math.NaN(), false}, {atMost(2), math.NaN(), false}, {atLeast(2), math.Inf(1), false}, {atMost(2), math.Inf(-1), false},
	} {
		if got := c.g.holds(c.v); got != c.want {
			t.Errorf("%s holds for %v: %v", c.g.text("x"), c.v, got)
		}
	}
}

func TestAMeasureIsGatedByItsRatio(t *testing.T) {
	s, made := suite()
	s.beside("fast", 300, "events/s", reference{name: "peer", value: 100}, atLeast(2))
	s.beside("slow", 150, "events/s", reference{name: "peer", value: 100}, atLeast(2))
	s.absolute("large", 60, "B", atMost(50))
	want := []Measure{
		{"area: fast", 300, "events/s", "peer: 100 events/s", 3, ">= 2x", true},
		{"area: slow", 150, "events/s", "peer: 100 events/s", 1.5, ">= 2x", false},
		{"area: large", 60, "B", "bar: 50 B", 1.2, "<= 50 B", false},
	}
	for i, w := range want {
		if (*made)[i] != w {
			t.Errorf("%+v, want %+v", (*made)[i], w)
		}
	}
}

// A peer that could not be had is said so, and never passes.
func TestWithoutThePeerNothingPasses(t *testing.T) {
	s, made := suite()
	s.beside("rate", 300, "events/s", reference{name: "peer", missing: errors.New("no such program")}, atLeast(2))
	s.beside("time", 3, "s", reference{name: "peer", missing: errors.New("no such program")}, atMost(2))
	s.beside("time", 3, "s", reference{name: "peer"}, atMost(2))
	for _, m := range *made {
		if m.Pass || m.Ratio != 0 || !strings.HasPrefix(m.Beside, "not available: peer") {
			t.Errorf("%+v", m)
		}
	}
}

// What measured nothing never passes, however low the bar, and the run fails.
func TestNothingIsNoMeasure(t *testing.T) {
	s, made := suite()
	s.absolute("small", 0, "B", atMost(50))
	s.beside("quick", 0, "s", reference{name: "peer", value: 3}, atMost(1))
	for _, m := range *made {
		if m.Pass {
			t.Errorf("%+v", m)
		}
	}
	if len(s.faults) != 2 {
		t.Errorf("faults %v", s.faults)
	}
}

func TestTheMedianOfRoundsCounts(t *testing.T) {
	s, _ := suite()
	s.Rounds = 3
	n := 0.0
	v, err := s.rounds(func() ([]float64, error) { n++; return []float64{n * n, -n}, nil })
	if err != nil || v[0] != 4 || v[1] != -2 {
		t.Errorf("%v, %v", v, err)
	}
	if _, err := s.rounds(func() ([]float64, error) { return nil, errors.New("broken") }); err == nil {
		t.Error("a round that failed is no error")
	}
}

func TestAnAreaThatIsNotThereIsAnError(t *testing.T) {
	s, _ := suite()
	s.Areas = []string{"journal", "jurnal"}
	if err := s.Run(context.Background()); err == nil || !strings.Contains(err.Error(), `"jurnal"`) || !strings.Contains(err.Error(), "capture") {
		t.Errorf("%v", err)
	}
}

// What peers get is as large as PERFORMANCE takes an event to be, and no two have one key.
func TestEventsAreOfTheSizeThatIsClaimed(t *testing.T) {
	keys, total := map[string]bool{}, 0
	for n := range uint64(2000) {
		total += len(JSON("wms", n))
		e := Stamped("wms", n)
		keys[e.SourceKey] = true
		whole := proto.CloneOf(e)
		event.Restore(whole)
		if fault := event.Validate(whole); fault != nil {
			t.Fatalf("event %d: %v", n, fault)
		}
	}
	if mean := total / 2000; mean < 373 || mean > 400 {
		t.Errorf("an event has %d bytes in JSON, want 373 to 400", mean)
	}
	if len(keys) != 2000 {
		t.Errorf("%d keys of 2000 events", len(keys))
	}
}

func TestTheTableReplacesItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(path, []byte("# Page\n\n"+tableBegin+"\nformer table\n"+tableEnd+"\n\nafter\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	at := MachineState{At: time.Date(2026, 11, 25, 22, 0, 0, 0, time.UTC), Processors: 2, Load: "9.1", Before: "8.0"}
	table := Table([]Measure{{"journal: x", 12.5, "B", "bar: 20 B", 0.625, "<= 20 B", true}, {"journal: y", 1, "s", "peer: 1 s", 1, "<= 0.5x", false}}, 3, at, at)
	for range 2 {
		if err := WriteTable(path, table); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# Page\n", "\nafter\n", "| journal: x | 12.5 B | bar: 20 B | 0.625 | <= 20 B | yes |", "| **no** |", "1 of 2 gates hold", "2026-11-25", "Rounds: 3.", "was busy"} {
		if strings.Count(string(page), want) != 1 {
			t.Errorf("%q is there %d times:\n%s", want, strings.Count(string(page), want), page)
		}
	}
	if strings.Contains(string(page), "former table") {
		t.Errorf("the former table is still there:\n%s", page)
	}
	if at.Load = "0.3"; !strings.Contains(Table(nil, 3, at, at), "was quiet") {
		t.Error("a load of 0.3 on two processors is not quiet")
	}
}

func TestStraceTable(t *testing.T) {
	const table = `strace: Process 17 attached with 9 threads
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 99.90    1.203500        1203      1000         2 fdatasync
  0.10    0.001200         120        10           fsync
------ ----------- ----------- --------- --------- ----------------
100.00    1.204700        1192      1010         2 total
`
	if n, err := syncCalls(table); err != nil || n != 1010 {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := syncCalls("strace: attach: Operation not permitted"); err == nil {
		t.Errorf("%d flushes where strace saw nothing", n)
	}
}

// Each event is timed once, by the first Ack that covers it.
func TestTheObserverTimesEachEventOnce(t *testing.T) {
	o := &observer{captured: map[string][]capturedAt{}}
	send := func(first uint64, count int) {
		var raws [][]byte
		for i := range count {
			raw, err := proto.Marshal(Stamped("wms", first+uint64(i)))
			if err != nil {
				t.Fatal(err)
			}
			raws = append(raws, raw)
		}
		pack, _, err := wire.SealPack(raws)
		if err != nil {
			t.Fatal(err)
		}
		o.hear(message(t, wire.UpTopic(tenant, site, wire.Events), &docklinev1.Envelope{Epoch: "e", FirstSeq: first, LastSeq: first + uint64(count) - 1, Pack: pack}))
	}
	ack := func(watermark uint64, beyond ...*docklinev1.SeqRange) {
		o.hear(message(t, wire.DownTopic(tenant, site, wire.AckName), &docklinev1.Answer{Answer: &docklinev1.Answer_Ack{Ack: &docklinev1.Ack{Epoch: "e", Watermark: watermark, Beyond: beyond}}}))
	}
	send(1, 3)
	send(4, 2)
	ack(2)
	ack(2, &docklinev1.SeqRange{First: 4, Last: 4})
	ack(2)
	if o.count() != 3 {
		t.Errorf("%d events timed, want 1, 2 and 4", o.count())
	}
	if ack(5); o.count() != 5 {
		t.Errorf("%d events timed, want all 5", o.count())
	}
}

func message(t *testing.T, topic string, m proto.Message) wire.Message {
	t.Helper()
	payload, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return wire.Message{Topic: topic, Payload: payload}
}

func TestQuantiles(t *testing.T) {
	var values []float64
	for n := 100; n > 0; n-- {
		values = append(values, float64(n))
	}
	for q, want := range map[float64]float64{0.5: 51, 0.99: 100, 0: 1} {
		if got := Quantile(values, q); got != want {
			t.Errorf("%v: %v, want %v", q, got, want)
		}
	}
	if Quantile(nil, 0.5) != 0 {
		t.Error(fmt.Sprint("of nothing: ", Quantile(nil, 0.5)))
	}
}
