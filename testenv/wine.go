package testenv

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Wine is a Windows of a test's own, made by wine.sh and removed at the test's end. It is on, as a machine is, also while no program runs.
type Wine struct {
	// Prefix is its folder; C: is drive_c below it, and Z: is this machine's root.
	Prefix string

	env  []string
	out  string // what programs say goes to a file: a pipe would be inherited by services, and be waited for
	root string
}

// wineLimit is how long one command may take; a first start compiles nothing and needs a second.
const wineLimit = 3 * time.Minute

// OpenWine makes one, or skips the test where Wine is not installed.
func OpenWine(t testing.TB) *Wine {
	t.Helper()
	root, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	// It is held by the script's own command, which ends with what it reads: so this Windows goes however the test ends.
	hold := exec.Command(filepath.Join(root, "testenv", "wine.sh"), "bash", "-c", `echo "DIR=$TMPDIR"; env; echo READY; exec cat >/dev/null`)
	in, err := hold.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := hold.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := hold.Start(); err != nil {
		t.Fatal(err)
	}
	w := &Wine{root: root}
	t.Cleanup(func() {
		_ = in.Close()
		_ = hold.Wait() // the script has removed everything, or said why not
	})
	if err := w.read(said); err != nil {
		_ = in.Close()
		err = errors.Join(err, hold.Wait())
		if code := hold.ProcessState.ExitCode(); code == 77 {
			SkipServer(t, "wine", strings.TrimSpace(w.out))
		}
		t.Fatalf("wine.sh: %v: %s", err, w.out)
	}
	return w
}

// read takes the environment that the script tells.
func (w *Wine) read(said io.Reader) error {
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case line == "READY":
			w.Prefix, w.out = w.value("WINEPREFIX"), filepath.Join(w.value("DIR"), "said")
			return nil
		case strings.HasPrefix(line, "WINE"), strings.HasPrefix(line, "PATH="), strings.HasPrefix(line, "TMPDIR="), strings.HasPrefix(line, "DIR="):
			w.env = append(w.env, line)
		}
		w.out += line + "\n"
	}
	return errors.Join(errors.New("it ended before it was ready"), lines.Err())
}

func (w *Wine) value(name string) string {
	for _, line := range w.env {
		if value, ok := strings.CutPrefix(line, name+"="); ok {
			return value
		}
	}
	return ""
}

// Path is where this machine has a file of that Windows, given as C:\folder\file.
func (w *Wine) Path(name string) string {
	return filepath.Join(w.Prefix, "drive_c", filepath.FromSlash(strings.ReplaceAll(strings.TrimPrefix(name, `C:`), `\`, "/")))
}

// Env is what a command needs to run a Windows program here: wine PROGRAM.
func (w *Wine) Env() []string { return slices.Clone(w.env) }

// Name is how that Windows names a file of this machine.
func (*Wine) Name(path string) string { return "Z:" + strings.ReplaceAll(path, "/", `\`) }

// Run runs a Windows program and returns what it said and its exit code, of which this machine sees the lowest eight bits.
func (w *Wine) Run(t testing.TB, argv ...string) (said string, code int) {
	t.Helper()
	return w.do(t, append([]string{"wine"}, argv...)...)
}

func (w *Wine) do(t testing.TB, argv ...string) (said string, code int) {
	t.Helper()
	out, err := os.Create(w.out)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	ctx, cancel := context.WithTimeout(context.Background(), wineLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "env", append([]string{"-u", "DISPLAY"}, argv...)...)
	cmd.Env = append(os.Environ(), w.env...)
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	text, _ := os.ReadFile(w.out) // it was just written
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		t.Fatalf("%s: %v: %s", strings.Join(argv, " "), err, text)
	}
	return strings.ReplaceAll(string(text), "\r", ""), cmd.ProcessState.ExitCode()
}

// Cut pulls the plug: every program of this Windows is killed, wherever it is.
func (w *Wine) Cut(t testing.TB) {
	t.Helper()
	w.do(t, "wineserver", "-k")
	w.do(t, "wineserver", "-w")
}

// Boot switches it on again: services that start with the machine do.
func (w *Wine) Boot(t testing.TB) {
	t.Helper()
	w.do(t, "wineserver", "-p")
	w.do(t, "wineboot")
}

// repository is this repository's root, from a package's folder within it, where tests run.
func repository() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			err = fmt.Errorf("no go.mod above the working folder")
		}
	}
	return "", err
}
