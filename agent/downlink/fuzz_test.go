package downlink

import (
	"testing"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// What the inbox holds may be damaged: it is read, or said to be damaged.
func FuzzStored(f *testing.F) {
	command, err := stored{state: 1, place: 7, command: &docklinev1.Command{Key: "release/SO1", Version: 3}}.record()
	if err != nil {
		f.Fatal(err)
	}
	receipt, err := makeRecord(append(number(1), number(2)...), &docklinev1.EventReceipt{EventId: "x", Version: 2})
	if err != nil {
		f.Fatal(err)
	}
	for _, raw := range [][]byte{command, receipt, nil, {0, 0, 0, 0}, command[:9]} {
		f.Add(raw)
	}
	f.Fuzz(func(_ *testing.T, raw []byte) {
		_, _ = readCommand(raw)
		_, _ = readReceipt(raw)
		if body, err := makeRecord(raw, &docklinev1.Command{}); err == nil { // a good checksum over anything
			_, _ = readCommand(body)
			_, _ = readReceipt(body)
		}
	})
}
