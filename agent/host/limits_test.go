package host

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/plugins"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

func TestOffencesLeadToQuarantineHoweverLongItLivesBetween(t *testing.T) {
	c := crashes{limits: Limits{}.withDefaults(), jitter: func() float64 { return 0 }}
	for i, want := range []bool{false, false, true} {
		if got := c.offended(noon.Add(time.Duration(i) * 5 * time.Minute)); got != want {
			t.Errorf("offence %d: too often %v", i+1, got)
		}
	}
	c.failed(noon, 0, true)
	c.forgive()
	if _, q := c.failed(noon, 0, false); q || c.offended(noon) {
		t.Error("what was forgiven still counts")
	}
	for i := range 10 {
		if c.offended(noon.Add(time.Duration(i+1) * 20 * time.Minute)) {
			t.Error("one in twenty minutes is quarantined")
		}
	}
}

func TestABatchAgainstTheContractIsAnOffence(t *testing.T) {
	tests := map[string]struct {
		batch *docklinev1.EncodedBatch
		says  string
	}{
		"number":  {&docklinev1.EncodedBatch{Batch: 9}, "batch 9 where 1 was due"},
		"events":  {&docklinev1.EncodedBatch{Batch: 1, Events: make([][]byte, plugins.MaxBatchEvents+1)}, "10001 events"},
		"cursor":  {&docklinev1.EncodedBatch{Batch: 1, Cursor: make([]byte, maxCursor+1)}, "cursor of 16385 bytes"},
		"streams": {&docklinev1.EncodedBatch{Batch: 1, CompleteThrough: make([]*docklinev1.CompleteThrough, maxStreams+1)}, "65 streams"},
		"name":    {&docklinev1.EncodedBatch{Batch: 1, CompleteThrough: []*docklinev1.CompleteThrough{{Stream: strings.Repeat("x", 200)}}}, "200 bytes"},
		"future":  {&docklinev1.EncodedBatch{Batch: 1, CompleteThrough: []*docklinev1.CompleteThrough{{Stream: "picks", Time: timestamppb.New(noon.AddDate(1, 0, 0))}}}, "in the future"},
		"no time": {&docklinev1.EncodedBatch{Batch: 1, CompleteThrough: []*docklinev1.CompleteThrough{{Stream: "picks", Time: &timestamppb.Timestamp{Nanos: -1}}}}, "in the future"},
	}
	for name, test := range tests {
		var against offence
		if err := checkBatch(test.batch, 1, noon); !errors.As(err, &against) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := &docklinev1.EncodedBatch{Batch: 1, Cursor: []byte("7"), CompleteThrough: []*docklinev1.CompleteThrough{{Stream: "picks", Time: timestamppb.New(noon)}, {Movement: 7}}}
	if err := checkBatch(good, 1, noon); err != nil {
		t.Errorf("a good batch: %v", err)
	}
}

func TestWhatBreaksAStreamIsSaidInPlainWords(t *testing.T) {
	for _, test := range []struct {
		err     error
		offence bool
		says    string
	}{
		{status.Error(codes.ResourceExhausted, "grpc: received message larger than max (3000000 vs. 2162688)"), true, "fewer events at a time"},
		{status.Error(codes.Internal, "grpc: failed to unmarshal the received message: proto: cannot parse invalid wire-format data"), true, "no message of the contract"},
		{status.Error(codes.Unavailable, "error reading from server: EOF"), false, "EOF"},
	} {
		err := streamFault(test.err)
		var against offence
		if errors.As(err, &against) != test.offence || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%v: %v", test.err, err)
		}
	}
}

func TestAFirstReadingIsNoFloodAndAnEndlessOneIsHeldToItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := false
		f := newFlood(100, func(is bool) { slow = is })
		events := make([]*docklinev1.Event, 1000)
		for i := range events {
			events[i] = pick()
		}
		began := time.Now()
		for range 50 {
			f.wait(t.Context(), t.Context(), events)
		}
		if took := time.Since(began); took != 0 || slow {
			t.Errorf("the first 50,000 events took %s", took)
		}
		for range 60 {
			f.wait(t.Context(), t.Context(), events)
		}
		if took := time.Since(began); took < 590*time.Second || took > 610*time.Second || !slow {
			t.Errorf("60,000 events more at 100 a second took %s, slowed %v", took, slow)
		}
		time.Sleep(30 * time.Second)
		f.wait(t.Context(), t.Context(), events[:1])
		if slow {
			t.Error("still called a flood after half a minute of silence")
		}
		newFlood(0, nil).wait(t.Context(), t.Context(), events) // no limit
	})
}

func TestLinesLeftOutAreSaidAtTheEndToo(t *testing.T) {
	var out strings.Builder
	budget := newLogBudget(2, func() time.Time { return noon })
	p := newPluginLog(slog.New(slog.NewTextHandler(&out, nil)), budget)
	for range 25 {
		p.hclog().Named("wms").Info("row read")
	}
	p.close()
	if !strings.Contains(out.String(), "lines=5") {
		t.Errorf("what was left out is not said:\n%s", &out)
	}
	again := newPluginLog(slog.New(slog.NewTextHandler(&out, nil)), budget)
	again.hclog().Named("wms").Info("reborn")
	if total, _ := budget.dropped(); total != 6 || strings.Contains(out.String(), "reborn") {
		t.Errorf("a new life got a new burst; %d lines left out", total)
	}
}

func TestTheShareOfCPUIsThatOfTheLastSeconds(t *testing.T) {
	var m meter
	if p := m.percent(noon, time.Hour); p != 0 {
		t.Errorf("first look: %v", p)
	}
	used := time.Hour
	for i := range 10 {
		used += 500 * time.Millisecond
		if p := m.percent(noon.Add(time.Duration(i+1)*time.Second), used); p < 49.9 || p > 50.1 {
			t.Errorf("look %d: %v %%", i, p)
		}
	}
	if p := m.percent(noon.Add(11*time.Second), used); p < 39.9 || p > 40.1 {
		t.Errorf("after an idle second %v %%", p)
	}
}
