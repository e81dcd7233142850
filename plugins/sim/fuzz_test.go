package main

import "testing"

// A section as a person writes it is taken or refused with its faults.
func FuzzParse(f *testing.F) {
	f.Add([]byte("seed: 7\nsite: dc-west\nmovements_per_second: 2\nstock: [{bin: A-01, item: BOLT, quantity: \"120\"}]\n"))
	f.Add([]byte("short_percent: 200\nstock: [{quantity: lots}]\n"))
	f.Add([]byte("movements_per_second: .nan\n"))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _, _ = parse(text, "dc-west") })
}
