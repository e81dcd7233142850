package host

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"
)

const (
	// maxLogText bounds one line of a plugin, in bytes.
	maxLogText = 2 << 10
	// logBurst is how many seconds' worth of lines may come at once.
	logBurst = 10
)

// pluginLog carries a plugin's lines and the plugin library's own into the agent's log, with a cap on their rate, and
// remembers the last words of a plugin that fell.
type pluginLog struct {
	log    *slog.Logger
	budget *logBudget

	mu   sync.Mutex
	last string
}

func newPluginLog(log *slog.Logger, budget *logBudget) *pluginLog {
	return &pluginLog{log: log, budget: budget}
}

// logBudget caps the lines of one plugin through all its lives: one that crashes over and over must not get a new burst with each.
type logBudget struct {
	lines float64 // a second
	now   func() time.Time

	mu     sync.Mutex
	left   float64
	filled time.Time
	// unsaid lines were left out since that was last said; total is all of them, lately when the last was.
	unsaid int
	total  uint64
	lately time.Time
}

func newLogBudget(linesPerSecond int, now func() time.Time) *logBudget {
	return &logBudget{lines: float64(linesPerSecond), now: now, left: logBurst * float64(linesPerSecond), filled: now()}
}

// hclog is the logger that the plugin library asks for.
func (p *pluginLog) hclog() hclog.Logger {
	// The library leaves out a plugin's lines below the logger's level before any sink sees them; its own output goes nowhere.
	level := hclog.Info
	if p.log.Enabled(context.Background(), slog.LevelDebug) {
		level = hclog.Debug
	}
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{Level: level, Output: io.Discard})
	l.RegisterSink(p)
	return l
}

// Accept takes one line; it implements hclog.SinkAdapter.
func (p *pluginLog) Accept(name string, level hclog.Level, msg string, args ...any) {
	// The library names itself with nothing or "stdio"; what it has to say about ends and restarts the host says in its own words.
	if name == "" || name == "stdio" {
		p.write(slog.LevelDebug, msg, args)
		return
	}
	if level >= hclog.Error {
		p.remember(msg)
	}
	p.write(slogLevel(level), msg, args)
}

func slogLevel(l hclog.Level) slog.Level {
	switch {
	case l >= hclog.Error:
		return slog.LevelError
	case l == hclog.Warn:
		return slog.LevelWarn
	case l == hclog.Info:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

func (p *pluginLog) write(level slog.Level, msg string, args []any) {
	if !p.log.Enabled(context.Background(), level) {
		return
	}
	dropped, ok := p.budget.take()
	if !ok {
		return
	}
	p.leftOut(dropped)
	p.log.Log(context.Background(), level, shorten(msg), attrs(args)...)
}

// leftOut says how many lines were.
func (p *pluginLog) leftOut(lines int) {
	if lines > 0 {
		p.log.Warn("plugin logs too much; lines were left out", "lines", lines)
	}
}

// close says what nobody has said yet, at the end of the plugin's process.
func (p *pluginLog) close() { p.leftOut(p.budget.rest()) }

// take asks for the right to log one line; dropped is how many had none since the last that had.
func (b *logBudget) take() (dropped int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if since := now.Sub(b.filled).Seconds(); since > 0 {
		b.left = min(b.left+since*b.lines, logBurst*b.lines)
	}
	b.filled = now
	if b.left < 1 {
		b.unsaid++
		b.total++
		b.lately = now
		return 0, false
	}
	b.left--
	dropped, b.unsaid = b.unsaid, 0
	return dropped, true
}

func (b *logBudget) rest() (unsaid int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	unsaid, b.unsaid = b.unsaid, 0
	return unsaid
}

// dropped is how many lines were left out in all, and when the last one was.
func (b *logBudget) dropped() (total uint64, lately time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.total, b.lately
}

// remember keeps the first line of a crash: those after it are its stack.
func (p *pluginLog) remember(msg string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !strings.HasPrefix(p.last, "panic: ") && !strings.HasPrefix(p.last, "fatal error: ") {
		p.last = shorten(msg)
	}
}

// lastWords is the last error that the plugin logged, or the first line of its panic.
func (p *pluginLog) lastWords() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

func shorten(s string) string {
	if len(s) <= maxLogText {
		return s
	}
	cut := maxLogText
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// attrs bounds the values of a plugin's line, which may be anything.
func attrs(args []any) []any {
	bounded := make([]any, 0, len(args))
	for i := 0; i+1 < len(args); i += 2 {
		if args[i] == "timestamp" || args[i] == "plugin" { // the agent's log says both itself
			continue
		}
		bounded = append(bounded, fmt.Sprint(args[i]), shorten(fmt.Sprint(args[i+1])))
	}
	return bounded
}

// lineWriter logs what is written to it by the line.
type lineWriter struct {
	log   *pluginLog
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
