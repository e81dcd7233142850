package collector

import (
	"log/slog"
	"os"
)

// newLogger logs to standard error, which the service manager keeps.
func newLogger(c LogConfig) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo // Validate has refused anything else
	}
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}

// quiet is for a command: its output is what it was asked for, and what went wrong.
func quiet(c LogConfig) LogConfig {
	if c.Level == "info" {
		c.Level = "warn"
	}
	return c
}
