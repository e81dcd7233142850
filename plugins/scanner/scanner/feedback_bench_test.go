package scanner_test

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// BenchmarkFeedback is how long a person waits for the word that a scan is stored, with a journal that answers at once: what the plugin itself
// takes, its own synced write included.
func BenchmarkFeedback(b *testing.B) {
	h := &host{}
	started(b, h, b.TempDir(), fmt.Sprintf(listening, "connection", 4, "keep"))
	conn, err := net.Dial("tcp", h.device(b, "dock", true))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	heard := bufio.NewScanner(conn)
	var waits []time.Duration
	for b.Loop() {
		if _, err := fmt.Fprintf(conn, "SO1\r%s\r", gtin); err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		for heard.Scan() && !strings.HasPrefix(heard.Text(), "STORED") {
		}
		waits = append(waits, time.Since(began))
	}
	slices.Sort(waits)
	b.ReportMetric(float64(waits[len(waits)*99/100])/1e6, "p99-ms")
	b.ReportMetric(2*float64(b.N)/b.Elapsed().Seconds(), "scans/s")
}
