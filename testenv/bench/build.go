package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	module        = "github.com/dockline/dockline/"
	sourceProgram = "dockline-plugin-bench"
	simProgram    = "dockline-plugin-sim"
	sitesProgram  = "dockline-bench-sites"
)

// programs are what the suite runs, by name and package; built as they are shipped.
var programs = [][2]string{
	{"dockline-agent", "agent/cmd/dockline-agent"}, {"dockline-collector", "collector/cmd/dockline-collector"},
	{simProgram, "plugins/sim"}, {sourceProgram, "testenv/bench/source"}, {sitesProgram, "testenv/bench/sites"},
}

// Build compiles Dockline's programs and the bench source into dir.
func Build(ctx context.Context, dir string, progress io.Writer) error {
	for _, p := range programs {
		fmt.Fprintf(progress, "building %s\n", p[0])
		if err := build(ctx, ".", filepath.Join(dir, p[0]), module+p[1]); err != nil {
			return err
		}
	}
	return nil
}

// peersFolder is a module of its own: what the peers need is no part of Dockline.
const peersFolder = "testenv/bench/peers"

// BuildPeers compiles the peers and their driver from pinned modules into dir. The first time that takes minutes.
func BuildPeers(ctx context.Context, dir string, progress io.Writer) error {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("peers: %w", err)
	}
	fmt.Fprintln(progress, "building the peers: nats-server, otelcol")
	for name, pkg := range map[string]string{"nats-server": "github.com/nats-io/nats-server/v2", "otelcol": "./otelcol", "driver": "./driver"} {
		if err := build(ctx, filepath.Join(strings.TrimSpace(string(root)), peersFolder), filepath.Join(dir, name), pkg); err != nil {
			return err
		}
	}
	return nil
}

func build(ctx context.Context, in, out, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Dir, cmd.Env = in, append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w: %s", filepath.Base(out), err, text)
	}
	return nil
}
