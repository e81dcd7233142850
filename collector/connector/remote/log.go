package remote

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	// maxLogText bounds one line of a program, in bytes.
	maxLogText = 2 << 10
	// logRate is how many lines a second it may write, logBurst how many at once.
	logRate, logBurst = 20, 400
)

// programLog carries a program's lines into the collector's log, no more than its rate, and remembers the last words of one that fell.
type programLog struct {
	log *slog.Logger

	mu     sync.Mutex
	last   string // error or panic
	raw    string // line of standard error in no form at all
	left   float64
	filled time.Time
	unsaid int
}

func newProgramLog(log *slog.Logger) *programLog {
	return &programLog{log: log, left: logBurst, filled: time.Now()}
}

// hclog is the logger that the plugin library asks for.
func (p *programLog) hclog() hclog.Logger {
	// The library leaves out a program's lines below the logger's level before any sink sees them; its own output goes nowhere.
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{Level: hclog.Debug, Output: io.Discard})
	l.RegisterSink(p)
	return l
}

// Accept takes one line; it implements hclog.SinkAdapter.
func (p *programLog) Accept(name string, level hclog.Level, msg string, args ...any) {
	// The library names itself with nothing or "stdio"; what it has to say about ends and restarts is said here in other words.
	if name == "" || name == "stdio" {
		return
	}
	at := slog.LevelDebug
	switch {
	case level == hclog.Debug && len(args) == 0: // a line that is not in the library's form, as programs in other languages write
		p.mu.Lock()
		p.raw = shorten(msg)
		p.mu.Unlock()
		at, msg, args = slog.LevelInfo, "the program wrote to standard error", []any{"text", msg}
	case level >= hclog.Error:
		at = slog.LevelError
	case level == hclog.Warn:
		at = slog.LevelWarn
	case level == hclog.Info:
		at = slog.LevelInfo
	}
	p.write(at, msg, args)
}

func (p *programLog) write(level slog.Level, msg string, args []any) {
	p.mu.Lock()
	if level >= slog.LevelError && !strings.HasPrefix(p.last, "panic: ") && !strings.HasPrefix(p.last, "fatal error: ") {
		p.last = shorten(msg) // after a panic come its goroutines
	}
	unsaid, ok := p.take(time.Now())
	p.mu.Unlock()
	if !ok || !p.log.Enabled(context.Background(), level) {
		return
	}
	if unsaid > 0 {
		p.log.Warn("the program logs too much; lines were left out", "lines", unsaid)
	}
	var bounded []any
	for i := 0; i+1 < len(args); i += 2 {
		if args[i] != "timestamp" { // the collector's log says it itself
			bounded = append(bounded, fmt.Sprint(args[i]), shorten(fmt.Sprint(args[i+1])))
		}
	}
	p.log.Log(context.Background(), level, shorten(msg), bounded...)
}

// take asks for the right to log one line, and says how many had none since the last that had; the lock is held.
func (p *programLog) take(now time.Time) (unsaid int, ok bool) {
	p.left = min(p.left+max(0, now.Sub(p.filled).Seconds())*logRate, logBurst)
	p.filled = now
	if p.left < 1 {
		p.unsaid++
		return 0, false
	}
	p.left--
	unsaid, p.unsaid = p.unsaid, 0
	return unsaid, true
}

// lastWords is the last error that the program logged, or the first line of its panic, or else the last line that it wrote.
func (p *programLog) lastWords() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return cmp.Or(p.last, p.raw)
}

func shorten(s string) string {
	if len(s) <= maxLogText {
		return s
	}
	return strings.ToValidUTF8(s[:maxLogText], "") + "…"
}

// lineWriter logs what is written to it by the line.
type lineWriter struct {
	log   *programLog
	level slog.Level
	text  string

	mu   sync.Mutex
	rest []byte
}

func (w *lineWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, b...)
	for {
		i := bytes.IndexByte(w.rest, '\n')
		if i < 0 && len(w.rest) <= maxLogText {
			return len(b), nil
		}
		line := w.rest
		if i >= 0 {
			line, w.rest = w.rest[:i], w.rest[i+1:]
		} else {
			w.rest = nil
		}
		w.log.write(w.level, w.text, []any{"text", string(line)})
	}
}
