package service

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// ErrPlanted is returned for a folder of the agent's in which somebody has written who may not: an ordinary user can make folders in
// C:\ProgramData, and what stands in agent.yaml is run as the system.
var ErrPlanted = errors.New("somebody who is no administrator of this machine has written there")

// planted is the error for one entry of a folder.
func planted(folder, path, why string) error {
	return fmt.Errorf("%s is not taken into use: %s %s, and %w. Look at what is in the folder. What is none of yours: remove the folder, and do this again. "+
		"What is yours: make it the administrators' (icacls \"%s\" /setowner *S-1-5-32-544 /T /L), and do this again", folder, path, why, ErrPlanted, folder)
}

// ownFolder is the folder of a configuration where it is the agent's alone: where it bears our name. Other places are their administrator's.
func ownFolder(configPath string) (string, bool) {
	folder := filepath.Dir(configPath)
	return folder, strings.EqualFold(filepath.Base(folder), "Dockline")
}

// Identities of Windows that no ordinary user has.
// (https://learn.microsoft.com/windows-server/identity/ad-ds/manage/understand-security-identifiers, well-known SIDs)
const (
	sidSystem         = "S-1-5-18"
	sidLocalService   = "S-1-5-19"
	sidNetworkService = "S-1-5-20"
	sidAdministrators = "S-1-5-32-544"
)

// trustedOwner says whether what this identity owns may be taken into use. self is that of the process: who installs may trust himself.
func trustedOwner(sid, self string) bool {
	switch sid {
	case "":
		return false
	case self, sidSystem, sidLocalService, sidNetworkService, sidAdministrators, SID("TrustedInstaller"), SID(Name):
		return true
	}
	return false
}
