//go:build amd64 || arm64

package wmsfile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/plugins/wms-file/wmsfile"
)

// A share that is not mounted leaves an empty folder behind. It is not taken for one whose files are gone: a person hears of it, also after a restart, nothing counts as complete, and
// what was begun goes on when the share is back.
//
// Shows: S38
func TestAShareThatIsNotMounted(t *testing.T) {
	share := newShare(t, 1)
	s := wmsfile.SiteAt(t, strings.Replace(shareConfig, "BY", "rename", 1), share.Mountpoint)
	s.OnMountpoint()
	write := func(name string, rows ...string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(share.Dir, name), []byte(wmsfile.PickHeader+strings.Join(rows, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	step := func(pass time.Duration) {
		t.Helper()
		if err := s.Step(pass); err != nil {
			t.Fatal(err)
		}
	}
	write("picks1.csv", "P1;SO1;SKU1;2;;2026-07-04T08:00:00;B1;1")
	step(time.Second)
	step(time.Hour)
	if n := len(s.Told()); n != 1 {
		t.Fatalf("%d events", n)
	}
	through := s.Through("picks")

	if err := share.Unmount(); err != nil {
		t.Fatal(err)
	}
	away := func(when string) {
		t.Helper()
		if d := s.Devices(); len(d) == 0 || d[0].GetReachable() || !strings.Contains(d[0].GetText(), "the share that was mounted at "+share.Mountpoint+" is not") {
			t.Errorf("%s the devices are %v", when, d)
		}
		if got := s.Through("picks"); got.After(through) {
			t.Errorf("%s the stream is complete through %s, and was through %s", when, got, through)
		}
		if left, err := os.ReadDir(share.Mountpoint); err != nil || len(left) > 0 {
			t.Errorf("%s the folder under the share holds %v, %v", when, left, err)
		}
	}
	step(time.Hour)
	away("without the share")
	s.Start()
	step(time.Hour)
	away("after a restart without it")

	write("picks2.csv", "P2;SO1;SKU1;2;;2026-07-04T09:00:00;B1;2")
	if err := share.Mount(); err != nil {
		t.Fatal(err)
	}
	step(time.Second)
	if n := len(s.Told()); n != 2 || !s.Devices()[0].GetReachable() {
		t.Errorf("with the share again: %d events, devices %v", n, s.Devices())
	}

	// Whoever does without the share from now on puts his files there.
	if err := share.Unmount(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := share.Mount(); err != nil { // for who unmounts it
			t.Error(err)
		}
	}()
	if err := os.WriteFile(filepath.Join(share.Mountpoint, "picks3.csv"), []byte(wmsfile.PickHeader+"P3;SO1;SKU1;2;;2026-07-04T10:00:00;B1;3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	step(time.Second)
	if n := len(s.Told()); n != 3 {
		t.Errorf("of a file in the folder that is not a share's any longer: %d events", n)
	}
}
