package agent

import (
	"testing"

	"github.com/dockline/dockline/agent/health"
)

func TestTheDiskOfDataDirIsLookedAt(t *testing.T) {
	var f health.Facts
	(&Agent{config: &Config{DataDir: t.TempDir()}}).machine(&f)
	if !f.DiskKnown {
		t.Error("nothing is known of the disk")
	}
	f = health.Facts{}
	(&Agent{config: &Config{DataDir: "/proc"}}).machine(&f) // a file system without a byte of room
	if !f.DiskKnown || f.DiskFree != 0 {
		t.Errorf("a full disk is taken for %+v", f)
	}
}
