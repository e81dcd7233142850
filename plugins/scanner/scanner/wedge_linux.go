package scanner

import (
	"context"
	"encoding/binary"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// order is that of the machine's bytes.
var order = binary.NativeEndian

// eventSize is what one input event takes: two longs of time and eight bytes.
const eventSize = 2*int(unsafe.Sizeof(uintptr(0))) + 8

// grab is EVIOCGRAB: no other program hears the keys.
const grab = 0x40044590

func wedgeHere() string { return "" }

// runWedge reads a keyboard reader's keys, for this plugin alone.
func (h *hub) runWedge(ctx context.Context, group *sync.WaitGroup, in *Input) error {
	d := h.find(ctx, group, in, in.ID)
	return h.again(ctx, in, func() error {
		file, err := os.OpenFile(in.Wedge.Device, os.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		if raw, err := file.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { _ = unix.IoctlSetInt(int(fd), grab, 1) }) // a pipe, in place of a device, cannot be
		}
		h.reports.reached(in.ID, nil)
		defer context.AfterFunc(ctx, func() { _ = file.Close() })()
		return h.readKeys(ctx, d, in, file)
	})
}

func (h *hub) readKeys(ctx context.Context, d *device, in *Input, file *os.File) error {
	k := &keyboard{keys: layouts[in.Wedge.Layout], most: in.Frame.Longest}
	buffer, held := make([]byte, 64*eventSize), 0
	for {
		n, err := file.Read(buffer[held:])
		rest := events(buffer[:held+n], eventSize, func(kind, code uint16, value int32) {
			if kind == evKey {
				k.press(h.now(), code, value, func(code []byte) { d.offer(ctx, code) })
			}
		})
		held = copy(buffer, rest)
		h.reports.garbage(h.now(), in.ID, k.garbage)
		k.garbage = 0
		if err != nil {
			return err
		}
	}
}
