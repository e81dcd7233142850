package service

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// closedRights are folderRights without the service, while a folder is looked through that was open.
const closedRights = "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"

// Guard refuses a configuration that an ordinary user may have written (ErrPlanted), before it is read.
func Guard(configPath string) error {
	folder, ours := ownFolder(configPath)
	if !ours || claimed(folder) {
		return nil
	}
	return strangers(folder)
}

// Claim makes the folder of a configuration, with all that is in it, the system's, administrators' and the service's alone, and makes it where it is not
// there. A folder that somebody else has made or put something into is refused with ErrPlanted and stays as it is: nobody reads the configuration in it.
// That goes to the event log too, since Windows Installer shows nobody what its steps say.
func Claim(configPath string) error {
	folder, ours := ownFolder(configPath)
	if !ours {
		return nil
	}
	err := claim(folder)
	if errors.Is(err, ErrPlanted) {
		report(err.Error())
	}
	return err
}

// claimed says whether nobody else can have written there since the folder was claimed.
func claimed(folder string) bool {
	rights, err := rightsOf([]string{folder})
	return err == nil && rights == folderRights
}

func claim(folder string) error {
	if claimed(folder) {
		return nil
	}
	if err := strangers(folder); err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return err
	}
	// Looked through once more when it is closed, for who was quicker. Should that fail, its rights are not yet the final ones, and so it is looked through again.
	if err := setRights(folder, closedRights); err != nil {
		return err
	}
	if err := strangers(folder); err != nil {
		return err
	}
	if err := closeBelow(folder); err != nil {
		return err
	}
	return setRights(folder, folderRights)
}

// strangers looks through a folder for what an ordinary user owns, or has led elsewhere. A folder that is not there has none.
func strangers(folder string) error {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return err
	}
	self := user.User.Sid.String()
	err = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.Type()&(fs.ModeSymlink|fs.ModeIrregular) != 0 {
			return planted(folder, path, "leads to another place")
		}
		owner, err := ownerOf(path)
		if err != nil {
			return err
		}
		if !trustedOwner(owner, self) {
			return planted(folder, path, "belongs to "+accountOf(owner))
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func ownerOf(path string) (string, error) {
	d, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if err != nil {
		return "", &fs.PathError{Op: "look for the owner of", Path: path, Err: err}
	}
	owner, _, err := d.Owner()
	if err != nil || owner == nil {
		return "", errors.Join(err, &fs.PathError{Op: "look for the owner of", Path: path, Err: errors.New("it has none")})
	}
	return owner.String(), nil
}

// accountOf is an identity's name, or itself where this machine knows none.
func accountOf(sid string) string {
	if s, err := windows.StringToSid(sid); err == nil {
		if name, domain, _, err := s.LookupAccount(""); err == nil {
			return domain + `\` + name
		}
	}
	return sid
}

// closeBelow takes from what is in a folder the rights that were given to it apart.
func closeBelow(folder string) error {
	return filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == folder {
			return err
		}
		return setSecurity(path, folderRights, windows.UNPROTECTED_DACL_SECURITY_INFORMATION)
	})
}
