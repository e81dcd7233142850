// Package sample_test holds the plugin in Python to the same suite as every plugin.
package sample_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/plugins/plugintest"
	"github.com/dockline/dockline/testenv"
)

const picks = 350

// python is Debian's, which has grpcio; another that stands first on the path often has not.
const python = "/usr/bin/python3"

// program makes an executable of the sample as the README says.
func program(t *testing.T) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the sample is for Debian's Python")
	}
	if out, err := exec.Command(python, "-c", "import grpc, yaml, google.protobuf").CombinedOutput(); err != nil {
		testenv.SkipServer(t, "python3-grpcio", "not installed: "+lastLine(out))
	}
	protoc, err := exec.LookPath("protoc")
	if err != nil {
		testenv.SkipServer(t, "protobuf-compiler", "not installed")
	}
	if _, err := os.Stat("/usr/include/google/protobuf/timestamp.proto"); err != nil {
		testenv.SkipServer(t, "libprotobuf-dev", "not installed")
	}
	sample, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	schemas := filepath.Join(sample, "..", "..", "proto")
	files, err := filepath.Glob(filepath.Join(schemas, "dockline", "v1", "*.proto"))
	if err != nil || len(files) == 0 {
		t.Fatal("no schemas", err)
	}
	dir := t.TempDir()
	if out, err := exec.Command(protoc, append([]string{"-I", schemas, "--python_out=" + dir}, files...)...).CombinedOutput(); err != nil {
		t.Fatalf("protoc: %v\n%s", err, out)
	}
	path := filepath.Join(dir, "python-picks")
	script := fmt.Sprintf("#!/bin/sh\nPYTHONDONTWRITEBYTECODE=1 PYTHONPATH=%q exec %s %q\n", dir, python, filepath.Join(sample, "plugin.py"))
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// A plugin in another language passes the same suite, as a program that a host starts.
//
// Shows: S35
func TestConformanceOfPython(t *testing.T) {
	path := program(t)
	plugintest.RunBinary(t, path, func(t *testing.T) plugintest.World {
		file := filepath.Join(t.TempDir(), "picks.txt")
		var text strings.Builder
		for n := range picks {
			if n == 5 {
				text.WriteString("no pick\n")
				continue
			}
			fmt.Fprintf(&text, "SO%d;SKU%d;%d\n", n/3, n%7, 1+n%4)
		}
		if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return plugintest.World{Config: fmt.Appendf(nil, "file: %q\n", file), Events: picks, Patience: 2 * time.Minute}
	})
}
