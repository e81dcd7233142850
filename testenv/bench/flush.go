package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// flushes counts with strace how often the agent asks the disk to flush while 64 callers put single events.
func (s *Suite) flushes(ctx context.Context) error {
	strace, err := exec.LookPath("strace")
	if err != nil {
		return fmt.Errorf("flushes an event: %w (make deps installs it)", err)
	}
	dir, err := s.folder("flush")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	st, err := s.openStation(ctx, dir, nil)
	if err != nil {
		return err
	}
	defer st.close()
	wait, err := st.begin(ctx, manyCallers.sources, SourceConfig{Batch: 1, Milliseconds: captureTime.Milliseconds()})
	if err != nil {
		return err
	}
	var out bytes.Buffer
	trace := exec.CommandContext(ctx, strace, "-f", "-c", "-e", "trace=fsync,fdatasync,sync_file_range,msync", "-p", strconv.Itoa(st.process.PID()))
	trace.Stderr = &out
	if err := trace.Start(); err != nil {
		return err
	}
	results, failed := wait(2 * time.Minute)
	if err := trace.Process.Signal(syscall.SIGINT); err != nil {
		return err
	}
	_ = trace.Wait() // it ends by our signal
	if failed != nil {
		return failed
	}
	calls, err := syncCalls(out.String())
	if err != nil {
		return err
	}
	_, _, _, events := together(results)
	s.absolute("flushes an event, 64 callers", float64(calls)/float64(events), "flushes", atMost(0.1))
	return nil
}

// syncCalls sums the column of calls in the table of strace -c.
func syncCalls(table string) (total int64, err error) {
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 5 || !strings.Contains(fields[len(fields)-1], "sync") {
			continue
		}
		n, err := strconv.ParseInt(fields[3], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("strace: %q: %w", line, err)
		}
		total += n
	}
	if total == 0 {
		return 0, fmt.Errorf("strace saw no flush: %s", table)
	}
	return total, nil
}
