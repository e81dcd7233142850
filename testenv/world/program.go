package world

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Program is the path of one of Dockline's programs in a folder that Build has filled.
func Program(bin, name string) string { return executable(bin, name) }

// RunProgram runs a program to its end; what it said is in the error, and is returned.
func RunProgram(ctx context.Context, argv ...string) (string, error) {
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, out)
	}
	return string(out), nil
}

// Signal sends it a signal, unless it has ended.
func (p *Process) Signal(s os.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return os.ErrProcessDone
	}
	return p.cmd.Process.Signal(s)
}

// Log is all that it said.
func (p *Process) Log() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// PID is that of the running process, 0 where it does not run.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return 0
	}
	return p.cmd.Process.Pid
}

// LogFile is where its output goes.
func (p *Process) LogFile() string { return p.log }

// PicksSection is the section plugins of an agent.yaml whose one plugin, the program of wms-file, reads the files picks*.csv of a folder.
func PicksSection(program, outbound string) string {
	return fmt.Sprintf(`plugins:
  - id: wms
    path: %q
    config:
      outbound: %q
      poll: 50ms
      settle: 1s
      complete: {by: rename}
      files:
        - name: picks
          pattern: picks*.csv
          kind: pick.confirmed
          zone: UTC
          key: [pick_id]
          columns: {pick_id: task, order: order, line: order_line, sku: item, qty: quantity, uom: unit, picked_at: occurred_at}
`, program, outbound)
}
