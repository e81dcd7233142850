package collector

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/member"
	"github.com/dockline/dockline/proto/wire"
)

const (
	// waitDatabase bounds the pauses between attempts to reach a database that is away at the start.
	waitDatabase = 5 * time.Second
)

// openDatabase opens the database. One that is away is waited for: a machine starts its services in any order, and what comes back by itself
// needs no hand.
func (m *Collector) openDatabase(ctx context.Context) error {
	m.process = uuid.NewString()
	return m.untilThere(ctx, func() (err error) {
		m.db, err = openDatabase(ctx, db.Named(m.config.DatabaseURL(), member.Session(m.process)))
		return err
	})
}

// untilThere tries again for as long as it is the database that is away, or has no room.
func (m *Collector) untilThere(ctx context.Context, try func() error) error {
	for pause := 200 * time.Millisecond; ; pause = min(2*pause, waitDatabase) {
		err := try()
		if err == nil || !db.Away(err) {
			return err
		}
		m.log.Warn("the database cannot work; it is tried again until it can", "err", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// join takes this collector's name among those of the database. A run that has ended without giving it back, as one that was killed, is known
// by what it wrote into the data folder, which this run has locked.
func (m *Collector) join(ctx context.Context) error {
	path := m.config.Path("process")
	former, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("data_dir: %w", err)
	}
	m.member = &member.Member{DB: m.db, Name: m.name, Process: m.process, Former: strings.TrimSpace(string(former)), Version: wire.Version,
		Log: m.log.With("part", "member")}
	if err := m.untilThere(ctx, func() error { return m.member.Join(ctx) }); err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(m.member.Process+"\n"), 0o600); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	return nil
}

// mine is the division of work among the collectors of a database; nil where there is only one.
func (m *Collector) mine() func(work string) bool {
	if m.member == nil {
		return nil
	}
	return m.member.Mine
}
