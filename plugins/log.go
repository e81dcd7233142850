package plugins

import (
	"log/slog"
	"os"
	"strings"
)

// stderr is the process's own; Serve puts a pipe in the place of os.Stderr.
var stderr = os.Stderr

// Log writes for the agent's log: one JSON object a line on standard error, in the form that the host knows. The host limits how
// much a plugin may log; what an operator should act on is a condition (Stream.Report) and not a line.
func Log() *slog.Logger {
	return slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: hclogKeys}))
}

// hclogKeys renames the fixed keys to those that go-plugin reads.
func hclogKeys(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.TimeKey:
		return slog.String("@timestamp", a.Value.Time().UTC().Format("2006-01-02T15:04:05.000000Z07:00"))
	case slog.LevelKey:
		return slog.String("@level", strings.ToLower(a.Value.String()))
	case slog.MessageKey:
		a.Key = "@message"
	}
	return a
}
