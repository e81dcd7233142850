package windows_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/dockline/dockline/testenv"
)

const oldVersion, newVersion = "1.0.0", "1.1.0+3.gabcdef0"

// The packages, and a source of rows as a Windows program, lie beside the collector.
const oldPackage, newPackage, rowsProgram = "old.msi", "new.msi", "rows.exe"

// needTools skips a test where a package cannot be built.
func needTools(t testing.TB) {
	t.Helper()
	for _, tool := range []string{"wixl", "msibuild", "msiinfo"} {
		if _, err := exec.LookPath(tool); err != nil {
			testenv.SkipServer(t, tool, "wixl and msitools are not installed")
		}
	}
}

// build puts two versions of the package into dir, with the compilations that go vet makes for Windows too.
func build(dir string) error {
	older, newer := filepath.Join(dir, "old"), filepath.Join(dir, "new")
	for _, one := range []struct{ version, out, source string }{
		{oldVersion, filepath.Join(older, "dockline-agent.exe"), testenv.AgentProgram.Package},
		{newVersion, filepath.Join(newer, "dockline-agent.exe"), testenv.AgentProgram.Package},
		{newVersion, filepath.Join(newer, "dockline-plugin-sim.exe"), "github.com/dockline/dockline/plugins/sim"},
		{newVersion, filepath.Join(dir, rowsProgram), testenv.RowsProgram.Package},
	} {
		cmd := exec.Command("go", "build", "-ldflags", "-s -w -X github.com/dockline/dockline/proto/wire.Version="+one.version, "-o", one.out, one.source)
		cmd.Env = append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w: %s", one.source, err, out)
		}
	}
	if err := os.Link(filepath.Join(newer, "dockline-plugin-sim.exe"), filepath.Join(older, "dockline-plugin-sim.exe")); err != nil {
		return err
	}
	if err := pack(oldVersion, older, filepath.Join(dir, oldPackage)); err != nil {
		return err
	}
	return pack(newVersion, newer, filepath.Join(dir, newPackage))
}

// pack runs the installer's own script.
func pack(version, folder, out string, env ...string) error {
	cmd := exec.Command(filepath.Join(root, "installers", "windows", "msi.sh"), version, folder, out)
	cmd.Env = append(os.Environ(), env...)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("msi.sh: %w: %s", err, said)
	}
	return nil
}

// root is the repository's, from this package's folder.
const root = "../../.."
