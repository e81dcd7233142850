package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

func TestMain(m *testing.M) { worldtest.Main(m) }

// TestDemoCheckCanFail runs `demo --once` as a user does. A day that went well exits 0; after one document was removed, doubled or
// changed in the ERP behind everybody's back it exits 1, and the report names the thing.
func TestDemoCheckCanFail(t *testing.T) {
	program := filepath.Join(t.TempDir(), "dockline-testenv")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	bin := worldtest.Bin(t)
	for _, how := range append([]string{""}, erp.Spoils...) {
		t.Run("spoilt "+how, func(t *testing.T) {
			t.Parallel()
			demo := exec.CommandContext(t.Context(), program, "demo", "--once", "--orders=10", "--seed=9", "--bin="+bin, "--spoil="+how)
			var out, said bytes.Buffer
			demo.Stdout, demo.Stderr = &out, &said
			err := demo.Run()
			var report world.Report
			if bad := json.Unmarshal(out.Bytes(), &report); bad != nil {
				t.Fatalf("%v: no report (%v): %s %s", err, bad, &out, &said)
			}
			if how == "" {
				if err != nil || !report.OK || len(report.Mismatches) > 0 {
					t.Fatalf("%v: %s %s", err, &out, &said)
				}
				return
			}
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 1 || report.OK {
				t.Errorf("ended with %v: %s", err, &out)
			}
			_, what, told := strings.Cut(said.String(), how+" in the ERP: ")
			if what, _, _ = strings.Cut(what, "\n"); !told || !strings.Contains(strings.Join(report.Mismatches, "\n"), what) {
				t.Errorf("%q is not named: %q", what, report.Mismatches)
			}
			for _, m := range report.Mismatches { // nothing else was wrong
				if !strings.HasPrefix(m, "ERP: ") {
					t.Errorf("also: %s", m)
				}
			}
		})
	}
}
