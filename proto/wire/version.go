package wire

import (
	"runtime"
	"runtime/debug"
)

// Version of this build; the build sets it.
var Version = "dev"

// Build is what a program says of how it was made, for whoever holds it against a release.
type Build struct {
	Version string `json:"version"`
	// Commit is what it was built from, and CommittedAt that commit's time (RFC 3339); "" where it was built outside a repository.
	Commit      string `json:"commit"`
	CommittedAt string `json:"committed_at"`
	// Modified is set where the tree had changes that no commit holds.
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

// ThisBuild reads what the Go toolchain has written into the running program.
func ThisBuild() Build {
	b := Build{Version: Version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.CommittedAt = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}
