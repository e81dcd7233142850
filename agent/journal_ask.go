package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/dockline/dockline/agent/health"
	"github.com/dockline/dockline/agent/journal"
)

// ExportJournal writes what the journal of a configuration holds, a JSON line an event, the oldest first. A running agent is asked, the
// files of one that is stopped are read.
func ExportJournal(ctx context.Context, c *Config, q EventQuery, w io.Writer) error {
	answer, err := health.Get(ctx, c.DataDir, "/journal?"+q.values().Encode())
	if err == nil {
		defer answer.Close()
		_, err = io.Copy(w, answer)
		return err
	}
	if !errors.Is(err, health.ErrStopped) {
		return err
	}
	lines := newEventLines(w, q.values())
	return journal.EachIn(ctx, c.Path("journal"), q.All, lines.write)
}

// VerifyJournal reads all of the journal of a configuration and holds it against its sums. A running agent is asked; else every file is
// read in a process of its own, which a bad one may end.
func VerifyJournal(ctx context.Context, c *Config) ([]journal.FileReport, error) {
	answer, err := health.Get(ctx, c.DataDir, "/journal/verify")
	if err == nil {
		defer answer.Close()
		var reports []journal.FileReport
		if err := json.NewDecoder(answer).Decode(&reports); err != nil {
			return nil, fmt.Errorf("ask the agent: %w", err)
		}
		return reports, nil
	}
	if !errors.Is(err, health.ErrStopped) {
		return nil, err
	}
	return journal.VerifyFolder(ctx, c.Path("journal"), checkInChild(slog.New(slog.DiscardHandler)))
}
