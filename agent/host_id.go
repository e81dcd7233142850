package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// ThisMachine says where an agent with this data folder runs. The fingerprint tells one machine and folder from a copy of it and tells a
// stranger nothing of either.
func ThisMachine(dataDir string) *docklinev1.Machine {
	host, _ := os.Hostname() // without one the fingerprint alone tells them apart
	folder, err := filepath.EvalSymlinks(dataDir)
	if err != nil {
		folder = dataDir
	}
	sum := sha256.Sum256([]byte("dockline\x00" + machineID() + "\x00" + host + "\x00" + folder))
	return &docklinev1.Machine{Fingerprint: hex.EncodeToString(sum[:16]), Host: host, Folder: folder}
}
