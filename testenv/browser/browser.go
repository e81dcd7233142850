// Package browser starts a Chromium for tests that look at pages as people do.
package browser

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/go-rod/rod"
	"github.com/go-rod/rod/lib/launcher"

	"github.com/dockline/dockline/testenv"
)

const chromium = "/usr/bin/chromium"

// Open starts a Chromium that ends with the test. Where there is none the test is skipped, and counted as one whose server is missing.
func Open(t *testing.T) *rod.Browser {
	t.Helper()
	if _, err := os.Stat(chromium); err != nil {
		testenv.SkipServer(t, "chromium", err.Error())
	}
	l := launcher.New().Bin(chromium).NoSandbox(true).Leakless(false).UserDataDir(t.TempDir()).Set("disable-background-networking").Set("disable-dev-shm-usage")
	address, err := l.Launch()
	if err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	b := rod.New().ControlURL(address)
	if err := b.Connect(); err != nil {
		l.Kill()
		t.Fatalf("connect to chromium: %v", err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			l.Kill()
		}
		l.Cleanup()
	})
	return b
}

// Shoot takes a picture of the whole page into the folder that DOCKLINE_SCREENSHOTS names, if it names one.
func Shoot(t *testing.T, p *rod.Page, name string) {
	t.Helper()
	if folder := os.Getenv("DOCKLINE_SCREENSHOTS"); folder != "" {
		p.MustScreenshotFullPage(filepath.Join(folder, name+".png"))
	}
}
