// Package sharefs is a network share as warehouses have them: a FUSE folder that shows a file late or after it is gone, tells sizes and times
// that lag behind the content, refuses a rename now and then, does one and says that it failed, breaks off in the middle of a read, goes away and comes back.
// What it does comes of a seed, and time passes on it only by Tick. It needs a 64 bit Linux and the right to mount.
package sharefs
