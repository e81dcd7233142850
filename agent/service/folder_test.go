package service

import (
	"errors"
	"strings"
	"testing"
)

// Only what no ordinary user can own is taken into use, or what is whose who installs.
func TestTrustedOwner(t *testing.T) {
	const self, other = "S-1-5-21-1-2-3-1001", "S-1-5-21-1-2-3-1002"
	for sid, trusted := range map[string]bool{
		self: true, sidSystem: true, sidAdministrators: true, SID(Name): true, SID("TrustedInstaller"): true, sidLocalService: true,
		other: false, "": false, "S-1-1-0": false, "S-1-5-32-545": false, "S-1-5-7": false, "S-1-5-80-0": false, SID("dockline-other"): false,
	} {
		if trustedOwner(sid, self) != trusted {
			t.Errorf("what %q owns is trusted: %t", sid, !trusted)
		}
	}
}

// What is refused says where, why and what to do, and can be told from other errors.
func TestPlantedSaysWhatToDo(t *testing.T) {
	err := planted(`C:\ProgramData\Dockline`, `C:\ProgramData\Dockline\agent.yaml`, `belongs to DOCK\eve`)
	for _, part := range []string{`agent.yaml belongs to DOCK\eve`, "remove the folder", `icacls "C:\ProgramData\Dockline" /setowner`} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in: %v", part, err)
		}
	}
	if !errors.Is(err, ErrPlanted) {
		t.Error("it is not ErrPlanted")
	}
}

// The folder is ours by its name alone; a place that an administrator has chosen is his.
func TestOwnFolder(t *testing.T) {
	for path, ours := range map[string]bool{"/x/Dockline/agent.yaml": true, "/x/dockline/a.yaml": true, "/x/Dockline/conf/agent.yaml": false, "/etc/agent.yaml": false} {
		if folder, is := ownFolder(path); is != ours {
			t.Errorf("%s: %s is ours: %t", path, folder, is)
		}
	}
}
