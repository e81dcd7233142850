//go:build !linux

package scanner

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
)

var order = binary.LittleEndian

const noWedge = "keyboard readers can be read on Linux only: a Windows service has no keyboard. Set the reader to a serial port or TCP"

func wedgeHere() string { return noWedge }

func (h *hub) runWedge(context.Context, *sync.WaitGroup, *Input) error { return errors.New(noWedge) }
