package wmsfile

import (
	"testing"
	"time"
)

// BenchmarkRead measures lines of a pick file that become events, without the host.
func BenchmarkRead(b *testing.B) {
	set, faults := load([]byte(newSite(b, testConfig).config))
	if len(faults) > 0 {
		b.Fatal(faults)
	}
	const rows = 5000
	body := newContent("picks.csv", []byte(pickFile(pickRows(1, rows)...)), time.Now())
	b.SetBytes(int64(len(body.data)))
	for b.Loop() {
		var res Result
		for range set.streams[0].read(body, &res) {
		}
		if res.Events != rows {
			b.Fatalf("%d events", res.Events)
		}
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
