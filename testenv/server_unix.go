//go:build unix

package testenv

import (
	"os"
	"os/exec"
	"syscall"
)

// runAs lets a command run as another user where we are root and hands its folder over.
func runAs(cmd *exec.Cmd, dir, name string) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if name == "" || os.Getuid() != 0 {
		return nil
	}
	uid, gid, err := lookUser(name)
	if err != nil {
		return err
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	return os.Chown(dir, int(uid), int(gid))
}
