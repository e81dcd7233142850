// Package lossyfs is a disk that can lose its power: a FUSE folder that remembers what was written and not synced, and at a cut keeps a
// random part of it, as real disks do. It needs a 64 bit Linux, since go-fuse does not
// build for another, and the right to mount.
package lossyfs
