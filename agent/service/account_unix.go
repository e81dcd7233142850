//go:build !windows

package service

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// account is the system user of the unit's User= and Group=.
const account = "dockline"

// grant makes the account, gives it the data folder and lets it read the configuration.
func grant(c Config) error {
	if strings.Count(filepath.Clean(c.DataDir), "/") < 2 {
		return fmt.Errorf("%s: the data folder must be one of the agent's own, such as /var/lib/dockline-agent", c.DataDir)
	}
	who, err := user.Lookup(account)
	var unknown user.UnknownUserError
	if errors.As(err, &unknown) {
		out, err := exec.Command("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/var/lib/dockline-agent", "--shell", "/usr/sbin/nologin", account).CombinedOutput()
		if err != nil {
			return fmt.Errorf("useradd %s: %w: %s", account, err, strings.TrimSpace(string(out)))
		}
		who, err = user.Lookup(account)
		if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	uid, err := strconv.Atoi(who.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(who.Gid)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.DataDir, 0o750); err != nil {
		return err
	}
	err = filepath.WalkDir(c.DataDir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, uid, gid))
	})
	if err != nil {
		return err
	}
	// The folder only where it is closed to others, as init makes it: a shared one such as /etc stays as it is.
	for _, path := range []string{filepath.Dir(c.ConfigPath), c.ConfigPath} {
		if err := readable(path, gid); err != nil {
			return err
		}
	}
	return nil
}

// readable lets the group gid read a file or enter a folder that others may not.
func readable(path string, gid int) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	need := fs.FileMode(0o4)
	if info.IsDir() {
		need = 0o5
	}
	if info.Mode()&need == need {
		return nil
	}
	return errors.Join(os.Chown(path, -1, gid), os.Chmod(path, info.Mode().Perm()|need<<3))
}
