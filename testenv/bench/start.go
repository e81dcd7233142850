package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/dockline/dockline/agent/journal"
)

// start measures how soon an agent captures whose broker is dead, with and without a backlog, beside the bare start of its program.
func (s *Suite) start(ctx context.Context) error {
	info, err := os.Stat(filepath.Join(s.Bin, "dockline-agent"))
	if err != nil {
		return err
	}
	s.absolute("size of the agent's program", float64(info.Size())/megabyte, "MB", atMost(20))
	for _, n := range []uint64{0, million} {
		if err := s.startOver(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (s *Suite) startOver(ctx context.Context, backlog uint64) error {
	dir, err := s.folder("start")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	st, err := s.openStation(ctx, dir, nil)
	if err != nil {
		return err
	}
	defer st.close()
	name := "offline"
	if backlog > 0 {
		name = "offline, over a million events"
		j, err := journal.Open(filepath.Join(st.dataDir(), "journal"), journal.Options{Tenant: tenant, Site: site})
		if err != nil {
			return err
		}
		if err := firstError(fill(j, backlog), j.Close()); err != nil {
			return err
		}
	}
	if err := st.configure(); err != nil {
		return err
	}
	v, err := s.rounds(func() ([]float64, error) {
		bare, err := bareStart(ctx, filepath.Join(s.Bin, "dockline-agent"))
		if err != nil {
			return nil, err
		}
		clean, err := st.captureOpen(ctx)
		if err != nil {
			return nil, err
		}
		st.process.Kill()
		unclean, err := st.captureOpen(ctx)
		if err != nil {
			return nil, err
		}
		// After an unclean stop what waits is taken up while capture goes on.
		err = waitFor(ctx, "the backlog to be taken up", time.Minute, 20*time.Millisecond, func() (bool, error) {
			h, err := st.status(ctx)
			return err == nil && h.GetJournalEvents() == backlog, err
		})
		st.process.Stop()
		return []float64{clean, unclean, bare}, err
	})
	if err != nil {
		return err
	}
	bare := reference{name: "bare start of the program", value: v[2]}
	s.beside("capture open, broker dead, "+name, v[0], "ms", bare, atMost(5))
	s.beside("capture open after a kill, broker dead, "+name, v[1], "ms", bare, atMost(5))
	return s.firstAccepted(ctx, st, name, bare)
}

// captureOpen is how long after its start the agent says that its journal is open and its loops begin.
func (st *station) captureOpen(ctx context.Context) (float64, error) {
	if err := os.Remove(st.process.LogFile()); err != nil && !os.IsNotExist(err) {
		return 0, err
	}
	began := time.Now()
	if err := st.process.Start(); err != nil {
		return 0, err
	}
	var opened time.Time
	err := waitFor(ctx, "capture open", 30*time.Second, 500*time.Microsecond, func() (bool, error) {
		if !st.process.Running() {
			return false, fmt.Errorf("the agent has ended: %s", st.process.LogTail())
		}
		text, _ := os.ReadFile(st.process.LogFile())
		opened = time.Now()
		return bytes.Contains(text, []byte("msg=agent ")), nil
	})
	if err != nil {
		return 0, err
	}
	return opened.Sub(began).Seconds() * 1000, waitFor(ctx, "the agent's page", 30*time.Second, time.Millisecond, func() (bool, error) {
		_, err := st.status(ctx)
		return err == nil, nil
	})
}

// firstAccepted is how long after the agent's start the first event of a plugin is durable: the plugin's own start is part of it.
func (s *Suite) firstAccepted(ctx context.Context, st *station, name string, bare reference) error {
	v, err := s.rounds(func() ([]float64, error) {
		st.runs++
		run := fmt.Sprint("first", st.runs)
		if err := st.configure(plugin{id: "wms0", program: sourceProgram, config: SourceConfig{Run: run, Batch: 1, Total: 1}}); err != nil {
			return nil, err
		}
		began := time.Now()
		if err := st.process.Start(); err != nil {
			return nil, err
		}
		defer st.process.Stop()
		path := filepath.Join(st.dataDir(), "plugins", "wms0", "result"+run+".json")
		err := waitFor(ctx, "the first event", 30*time.Second, time.Millisecond, func() (bool, error) {
			_, err := os.Stat(path)
			return err == nil, nil
		})
		return []float64{time.Since(began).Seconds() * 1000}, err
	})
	if err != nil {
		return err
	}
	s.beside("first event of a plugin accepted, broker dead, "+name, v[0], "ms", bare, atMost(25))
	return nil
}

// bareStart is how long the program takes to do nothing.
func bareStart(ctx context.Context, program string) (float64, error) {
	began := time.Now()
	out, err := exec.CommandContext(ctx, program, "--help").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%s --help: %w: %s", program, err, out)
	}
	return time.Since(began).Seconds() * 1000, nil
}
