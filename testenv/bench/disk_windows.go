package bench

import "os"

// diskBytes is the size of a file: what it takes on disk cannot be had so easily.
func diskBytes(info os.FileInfo) int64 { return info.Size() }
