// Package windowsplugin_test tries every plugin as the Windows program that it ships as, on a Windows that Wine plays, against warehouse systems that
// run beside it. What Wine cannot show stands in installers/README.md.
package windowsplugin_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/dockline/dockline/plugins/plugintest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// patience is long: a Windows that Wine plays is slow where the machine is busy.
const patience = 2 * time.Minute

var programs = testenv.Programs{Also: build}

func TestMain(m *testing.M) { programs.Main(m) }

// build makes the plugins' Windows programs, as a release has them.
func build(dir string) error {
	for out, source := range map[string]string{programName("wms-file"): sources + "wms-file", programName("wms-sql"): sources + "wms-sql", programName("http"): sources + "http",
		programName("scanner"): sources + "scanner", holdProgram: "./testdata/hold"} {
		cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", filepath.Join(dir, out), source)
		cmd.Env = append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w: %s", source, err, out)
		}
	}
	return nil
}

const (
	sources     = "github.com/dockline/dockline/plugins/"
	holdProgram = "hold.exe"
)

func programName(name string) string { return "dockline-plugin-" + name + ".exe" }

// windows is a Windows machine with the plugins.
type windows struct {
	*testenv.Wine
	dir string
}

// program is a plugin's, as it is started there.
func (w *windows) program(name string) plugintest.Program {
	return plugintest.Program{Argv: []string{"wine", w.Name(filepath.Join(w.dir, programName(name)))}, Env: append(w.Env(), "HOME="+os.Getenv("HOME")), Folder: w.Name}
}

// Every plugin passes the conformance suite as a Windows program: with folders and files of Windows, a database in a file and one across the network,
// HTTP in both directions, and readers that call and are called. A file that somebody holds is left, as only Windows has it, named, and tried again.
//
// Shows: E15, E24, S35
func TestPluginsConform(t *testing.T) {
	w := &windows{Wine: testenv.OpenWine(t), dir: programs.Dir(t)}
	held := hold(t, w) // a minute passes until it is named
	for _, c := range []struct {
		name, plugin string
		world        func(*testing.T, *windows) plugintest.World
	}{
		{"wms-file", "wms-file", fileWorld},
		{"wms-sql, SQLite", "wms-sql", sqliteWorld},
		{"wms-sql, PostgreSQL", "wms-sql", postgresWorld},
		{"http polls", "http", pollWorld},
		{"http listens", "http", listenWorld},
		{"scanner is called", "scanner", calledWorld},
		{"scanner is called by readers", "scanner", callingWorld},
	} {
		t.Run(c.name, func(t *testing.T) {
			plugintest.RunProgram(t, w.program(c.plugin), func(t *testing.T) plugintest.World { return c.world(t, w) })
		})
	}
	t.Run("files that somebody holds", held.check)
}

// cancelOrder is work for a warehouse system.
func cancelOrder(version uint64) *docklinev1.Command {
	return &docklinev1.Command{Key: "cancel/SO1", Version: version, Work: &docklinev1.Command_CancelOrder{CancelOrder: &docklinev1.CancelOrder{Number: "SO1"}}}
}
