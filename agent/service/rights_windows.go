package service

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"
)

// rightsOf is owner and access of the folders in SDDL, without the mark of what Windows has inherited into them: of the first whose are not wanted.
func rightsOf(folders []string) (sddl string, err error) {
	for _, folder := range folders {
		d, err := windows.GetNamedSecurityInfo(folder, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
		if errors.Is(err, windows.ERROR_FILE_NOT_FOUND) || errors.Is(err, windows.ERROR_PATH_NOT_FOUND) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		if sddl = strings.Replace(d.String(), "D:PAI(", "D:P(", 1); sddl != folderRights {
			return sddl, nil
		}
	}
	return sddl, nil
}

// setRights closes a folder. What lies in it inherits.
func setRights(folder, sddl string) error {
	if filepath.VolumeName(folder)+`\` == filepath.Clean(folder) {
		return fmt.Errorf("%s is a whole disk: give the agent a folder of its own", folder)
	}
	return setSecurity(folder, sddl, windows.PROTECTED_DACL_SECURITY_INFORMATION)
}

// setSecurity gives a file or folder owner and access of sddl; inherits says whether what the folder above gives reaches in.
func setSecurity(path, sddl string, inherits windows.SECURITY_INFORMATION) error {
	d, err := windows.SecurityDescriptorFromString(sddl)
	if err != nil {
		return err
	}
	list, _, err := d.DACL()
	if err != nil {
		return err
	}
	owner, _, err := d.Owner()
	if err != nil {
		return err
	}
	what := windows.OWNER_SECURITY_INFORMATION | windows.DACL_SECURITY_INFORMATION | inherits
	return windows.SetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, what, owner, nil, list, nil)
}
