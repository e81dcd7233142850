package install_test

import (
	"crypto/sha256"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/dockline/dockline/testenv"
)

// TestPackagesAreClean holds the packages against the distributions' own checks, but for what installers/linux says that we mean.
func TestPackagesAreClean(t *testing.T) {
	for _, tool := range []string{"lintian", "rpmlint"} {
		if _, err := exec.LookPath(tool); err != nil {
			testenv.SkipServer(t, tool, "not installed")
		}
	}
	dir := packages(t)
	files := []testenv.File{{From: "../../../installers/linux/lintian-tags", To: "/root/tags", Mode: 0o644}, {From: "../../../installers/linux/rpmlint.toml", To: "/root/rpmlint.toml", Mode: 0o644}}
	for _, product := range []string{"agent", "collector"} {
		for _, name := range []string{deb(product, version), rpm(product, version)} {
			files = append(files, testenv.File{From: filepath.Join(dir, name), To: "/root/" + name, Mode: 0o644})
		}
	}
	// In a container, because rpmlint unpacks by the absolute names in a package.
	c := testenv.BootContainer(t, t.Context(), files...)
	if out, err := c.Try("sh", "-c", "lintian --allow-root --suppress-tags-from-file /root/tags /root/*.deb"); err != nil || strings.Contains(out, "W:") || strings.Contains(out, "E:") {
		t.Errorf("lintian: %v\n%s", err, out)
	}
	if out, err := c.Try("sh", "-c", "rpmlint -c /root/rpmlint.toml /root/*.rpm"); err != nil || !strings.Contains(out, "0 errors, 0 warnings") {
		t.Errorf("rpmlint: %v\n%s", err, out)
	}
	if out, err := c.Try("sh", "-c", "lintian --allow-root /root/*agent*.deb"); err == nil && !strings.Contains(out, "W:") {
		t.Errorf("without the list lintian finds nothing, so this cannot fail: %s", out)
	}
}

// TestPackagesAreReproducible: the same programs give the same bytes, on whatever day.
func TestPackagesAreReproducible(t *testing.T) {
	dir, again := packages(t), t.TempDir()
	if err := run(t.Context(), "installers/linux/packages.sh", "agent", version, filepath.Join(dir, "programs-"+version), runtime.GOARCH, again); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{deb("agent", version), rpm("agent", version)} {
		one, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		two, err := os.ReadFile(filepath.Join(again, name))
		if err != nil {
			t.Fatal(err)
		}
		if sha256.Sum256(one) != sha256.Sum256(two) {
			t.Errorf("%s is another one the second time", name)
		}
	}
}
