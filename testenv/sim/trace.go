package sim

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"time"
)

// kept is how many of the last lines are shown with a failure.
const kept = 60

// trace is everything that was decided, sent, broken or answered, in order.
type trace struct {
	sum   hash.Hash
	lines []string
	out   io.Writer
}

func newTrace(out io.Writer) *trace { return &trace{sum: sha256.New(), out: out} }

func (t *trace) add(now time.Time, format string, args ...any) {
	line := now.Format("15:04:05.000000 ") + fmt.Sprintf(format, args...)
	_, _ = io.WriteString(t.sum, line+"\n") // a hash takes everything
	if t.lines = append(t.lines, line); len(t.lines) > 2*kept {
		t.lines = append(t.lines[:0], t.lines[kept:]...)
	}
	if t.out != nil {
		fmt.Fprintln(t.out, line)
	}
}

func (t *trace) last() []string { return t.lines[max(0, len(t.lines)-kept):] }

func (t *trace) hash() string { return hex.EncodeToString(t.sum.Sum(nil)) }

// brief names bytes in the trace.
func brief(data []byte) string {
	sum := sha256.Sum256(data)
	return fmt.Sprintf("%dB %x", len(data), sum[:4])
}
