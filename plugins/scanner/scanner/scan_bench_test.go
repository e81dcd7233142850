package scanner

import (
	"testing"
	"time"

	"github.com/dockline/dockline/proto/gs1"
)

// What the parser alone can do, and what a whole pick of four scans costs the state machine.
func BenchmarkScans(b *testing.B) {
	codes := []string{"SO7", "BIN-A-01", "]C1010401234567890110A7\x1d17261200", "3"}
	b.Run("parser alone", func(b *testing.B) {
		for b.Loop() {
			if _, err := gs1.ParseScan(codes[2]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("pick of four scans", func(b *testing.B) {
		s := sampleSetup(b)
		m := newMachine("dock", s.Inputs[0], s)
		now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
		for b.Loop() {
			m.begin(nil)
			m.work.State = m.flow.Start
			for i, code := range codes {
				now = now.Add(time.Second)
				if a := m.scan(now, code); a.result == bad || i == 3 && a.event == nil {
					b.Fatal(a.text)
				}
			}
		}
		b.ReportMetric(4*float64(b.N)/b.Elapsed().Seconds(), "scans/s")
	})
}
