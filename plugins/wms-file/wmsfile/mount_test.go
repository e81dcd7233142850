package wmsfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Where the first start may be without the share, or the system cannot tell, a file says that the folder is the right one.
func TestAFolderMustHoldAFile(t *testing.T) {
	s := newSite(t, testConfig+"inbound: ROOT/in\nmust_hold: wms.here\n")
	s.drop("picks1.csv", pickFile(pickRows(1, 3)...))
	s.mustStep()
	s.pass(time.Hour)
	if d := s.host.devices; len(s.host.events) > 0 || d[0].GetReachable() || !strings.Contains(d[0].GetText(), "does not hold wms.here, which must_hold asks for") || len(s.host.through) > 0 {
		t.Fatalf("%d events, devices %v, complete through %v", len(s.host.events), d, s.host.through)
	}
	set, faults := load([]byte(s.config))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	in := onShare{localInbox(set.Inbound), set.Inbound, openMounts(s.dataDir, set.MustHold)}
	if err := in.write(".x.tmp", []byte("x")); err == nil || len(s.list("in")) > 0 {
		t.Errorf("written into a folder that is not the one: %v, %v", err, s.list("in"))
	}
	for _, dir := range []string{"out", "in"} {
		if err := os.WriteFile(filepath.Join(s.root, dir, "wms.here"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.mustStep()
	if len(s.host.events) != 3 || !s.host.devices[0].GetReachable() {
		t.Errorf("%d events, devices %v", len(s.host.events), s.host.devices)
	}
	if err := in.write(".x.tmp", []byte("x")); err != nil {
		t.Error(err)
	}
	s.pass(time.Hour)
	s.pass(time.Hour)
	if got := conditionCodes(s); got != "" || strings.Join(s.list("out"), " ") != "wms.here" {
		t.Errorf("conditions %s, left %v", got, s.list("out"))
	}
}

// The file is known by its name alone: two folders hold it.
func TestMustHoldIsAName(t *testing.T) {
	_, faults := load([]byte(newSite(t, testConfig+"must_hold: share/here\n").config))
	if len(faults) != 1 || faults[0].GetPath() != "must_hold" {
		t.Errorf("faults %v", faults)
	}
}
