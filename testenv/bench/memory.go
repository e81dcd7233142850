package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// settleTime is how long an idle process is left alone before its memory is looked at.
const settleTime = 3 * time.Second

// memory measures the agent's memory at a real centre.
func (s *Suite) memory(ctx context.Context) error {
	dir, err := s.folder("memory")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c, err := s.openCentre(ctx, dir, centreConfig{})
	if err != nil {
		return err
	}
	defer c.close()
	st, err := s.openStation(ctx, dir, c)
	if err != nil {
		return err
	}
	defer st.close()
	if err := c.start(ctx); err != nil {
		return err
	}
	if err := s.memoryIdle(ctx, st, "without plugins", 22); err != nil {
		return err
	}
	two := []plugin{{id: "wms", program: simProgram, config: map[string]any{"seed": 1}}, {id: "wms0", program: sourceProgram, config: SourceConfig{Run: "idle", Batch: 1, Rate: 0.001, Total: 1}}}
	if err := s.memoryIdle(ctx, st, "with two plugins", 40, two...); err != nil {
		return err
	}
	return s.memoryFlow(ctx, st, c)
}

func (s *Suite) memoryIdle(ctx context.Context, st *station, name string, bar float64, plugins ...plugin) error {
	st.process.Stop()
	if err := st.configure(plugins...); err != nil {
		return err
	}
	if err := st.start(ctx); err != nil {
		return err
	}
	if err := waitFor(ctx, "plugins at work", time.Minute, 20*time.Millisecond, func() (bool, error) {
		h, err := st.status(ctx)
		if err != nil {
			return false, err
		}
		for _, p := range h.GetPlugins() {
			if p.GetState() != "running" {
				return false, nil
			}
		}
		return len(h.GetPlugins()) == len(plugins) && h.GetOnline(), nil
	}); err != nil {
		return err
	}
	select {
	case <-time.After(settleTime):
	case <-ctx.Done():
		return ctx.Err()
	}
	m, err := memoryOf(st.process.PID())
	if err != nil {
		return err
	}
	s.absolute("resident, idle "+name, m.Resident/megabyte, "MB", atMost(bar))
	s.absolute("anonymous, idle "+name, m.Anonymous/megabyte, "MB", atMost(bar))
	children, err := childrenOf(st.process.PID())
	if err != nil {
		return err
	}
	for _, pid := range children {
		if m, err := memoryOf(pid); err == nil {
			s.say("a plugin process: %.1f MB resident, %.1f MB anonymous", m.Resident/megabyte, m.Anonymous/megabyte)
		}
	}
	return nil
}

// memoryFlow looks at the highest of a few seconds in which four sources give as fast as they can, and the collector takes it.
func (s *Suite) memoryFlow(ctx context.Context, st *station, c *centre) error {
	wait, err := st.begin(ctx, 4, SourceConfig{Batch: 1, Milliseconds: 4000})
	if err != nil {
		return err
	}
	peak := peakMemory(st.process.PID())
	results, err := wait(time.Minute)
	m := peak()
	if err != nil {
		return err
	}
	perSecond, _, _, _ := together(results)
	s.say("full flow was %.0f events/s", perSecond)
	s.absolute("anonymous, in full flow", m.Anonymous/megabyte, "MB", atMost(40))
	s.absolute("resident, in full flow (mapped journal files included)", m.Resident/megabyte, "MB", atMost(80))
	return nil
}

// childrenOf are the processes that pid has started.
func childrenOf(pid int) (children []int, err error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) < 2 || fields[1] != strconv.Itoa(pid) {
			continue
		}
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		children = append(children, child)
	}
	return children, nil
}
