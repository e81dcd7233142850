package windowsplugin_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dockline/dockline/testenv"
)

// heldFiles is a folder in which programs of the warehouse system hold two of three files.
type heldFiles struct {
	*live
	out  string
	free map[string]func()
}

const heldRows = 20

// hold begins it: one file that nobody else may open, one that others may read and not move, one that nobody holds.
func hold(t *testing.T, w *windows) *heldFiles {
	t.Helper()
	root := testenv.Folder(t)
	h := &heldFiles{out: filepath.Join(root, "out"), free: map[string]func(){}}
	data := filepath.Join(root, "data")
	for _, dir := range []string{h.out, data} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"alone", "readers", "nobody"} {
		text := "id;order;sku;qty;at\r\n"
		for i := range heldRows {
			text += fmt.Sprintf("%s%d;SO1;A;1;2026-07-04 08:00:00\r\n", name, i)
		}
		path := filepath.Join(h.out, name+".csv")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if name != "nobody" {
			h.free[name] = w.hold(t, name, path)
		}
	}
	h.live = capture(t, w.program("wms-file"), fmt.Sprintf(`outbound: '%s'
poll: 100ms
complete: {by: rename}
defaults: {delimiter: ";", zone: UTC}
files: [{name: picks, pattern: "*.csv", kind: pick.confirmed, key: id, columns: {id: task, order: order, sku: item, qty: quantity, at: occurred_at}}]
`, w.Name(h.out)), data)
	return h
}

// hold has a program open a file, until free is called.
func (w *windows) hold(t *testing.T, how, path string) (free func()) {
	t.Helper()
	cmd := exec.Command("wine", w.Name(filepath.Join(w.dir, holdProgram)), how, w.Name(path))
	cmd.Env = w.program("").Env
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	free = func() {
		if !ended {
			ended = true
			_ = in.Close()
			_ = cmd.Wait()
		}
	}
	t.Cleanup(free)
	if said := bufio.NewScanner(out); !said.Scan() || strings.TrimSpace(said.Text()) != "held" {
		t.Fatalf("hold %s: %q", path, said.Text())
	}
	return free
}

// A file that a program of the warehouse system holds is left, named with what to do, and tried again: nothing of it is lost, and nothing is told twice.
func (h *heldFiles) check(t *testing.T) {
	testenv.Eventually(t, patience, "what is free is told, and what others may read", func() bool { return h.count(t, "nobody") == heldRows && h.count(t, "readers") == heldRows })
	testenv.Eventually(t, patience, "both are named", func() bool {
		text := h.told("files_stuck")
		return strings.Contains(text, "alone.csv cannot be read") && strings.Contains(text, "readers.csv was read, but cannot be put away") && strings.Contains(text, "Close the program")
	}, func() string { return h.told("files_stuck") })
	if n := h.count(t, "alone"); n != 0 {
		t.Errorf("%d events of a file that nobody may open", n)
	}
	h.free["alone"]()
	testenv.Eventually(t, patience, "the file that was held alone", func() bool { return h.count(t, "alone") == heldRows })
	h.free["readers"]()
	testenv.Eventually(t, patience, "all are put away, and nothing is stuck", func() bool {
		left, err := filepath.Glob(filepath.Join(h.out, "*.csv"))
		return err == nil && len(left) == 0 && h.told("files_stuck") == ""
	}, func() string { return h.told("files_stuck") })
	for _, name := range []string{"alone", "readers", "nobody"} {
		if _, err := os.Stat(filepath.Join(h.out, "archive", name+".csv")); err != nil {
			t.Error(err)
		}
		if n := h.count(t, name); n != heldRows {
			t.Errorf("%d events of %s, want %d", n, name, heldRows)
		}
	}
	h.drained(t)
}
