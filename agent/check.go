package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/dockline/dockline/agent/journal"
)

const (
	// A file's check may take checkTime, and a second more for every checkBytes; beyond that its reader goes round in circles.
	checkTime  = 8 * time.Second
	checkBytes = 4 << 20
	// checkMemory bounds what a reader led astray may take from the machine.
	checkMemory = 512 << 20
	// CheckFoundDamage is the exit code of a reader that lived to tell of damage; 1 says that it could not look.
	CheckFoundDamage = 4
)

// CheckJournalFile reads one file of the journal. It is for a process of its own, which a bad file may end.
func CheckJournalFile(path string) error {
	_ = limitMemory(checkMemory) // the time limit is left
	return journal.CheckFile(path)
}

// checkInChild has a file read by this program in a process of its own: with the hidden verb journal-check, which calls
// CheckJournalFile. Where no process can be started the file is opened unchecked, under guard, as after a clean stop.
func checkInChild(log *slog.Logger) func(ctx context.Context, path string) error {
	return func(ctx context.Context, path string) error {
		limit := checkTime
		if info, err := os.Stat(path); err == nil {
			limit += time.Duration(info.Size()/checkBytes) * time.Second
		}
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		self, err := os.Executable()
		if err != nil {
			log.Warn("journal file is read unchecked", "file", path, "err", err)
			return nil
		}
		began := time.Now()
		var said strings.Builder
		child := exec.CommandContext(ctx, self, "journal-check", path)
		child.Stderr = &said
		err = child.Run()
		var exit *exec.ExitError
		switch {
		case err == nil:
			log.Info("journal file checked after an unclean stop", "file", path, "took", time.Since(began).Round(time.Millisecond))
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("no end of its check within %s", limit)
		case errors.As(err, &exit) && exit.ExitCode() == CheckFoundDamage:
			return fmt.Errorf("%w: %s", journal.ErrDamaged, firstLine(said.String()))
		case errors.As(err, &exit) && exit.ExitCode() != 1:
			return fmt.Errorf("its check ended with %s: %s", exit, firstLine(said.String()))
		}
		log.Warn("journal file is read unchecked", "file", path, "err", err, "said", firstLine(said.String()))
		return nil
	}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line[:min(len(line), 300)]
}
