package journal

import (
	"bytes"
	"testing"
	"time"
)

// What a journal's file holds may be damaged in any way: each record is read or said to be damaged, also where the checksum is good over what
// makes no sense.
func FuzzRecord(f *testing.F) {
	at := time.UnixMicro(1764064800000000)
	row, err := tailRow([]item{{data: []byte("one")}, {data: []byte("two")}}, at)
	if err != nil {
		f.Fatal(err)
	}
	for _, raw := range [][]byte{row, state{last: 7, acked: 3, captured: 9, incarnation: "i"}.record(), nil, makeRecord(at, nil), makeRecord(time.Time{}, bytes.Repeat([]byte{0xff}, 24))} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, record := range [][]byte{raw, makeRecord(time.Time{}, raw)} {
			_, body, err := openRecord(record)
			if err == nil {
				_, _ = openRow(body)
			}
			_, _ = openPack(record)
			_, _ = readDay(record)
			if s, err := readState(record); err == nil {
				if again, err := readState(s.record()); err != nil || again.last != s.last || again.incarnation != s.incarnation {
					t.Fatalf("state %+v is read again as %+v (%v)", s, again, err)
				}
			}
		}
	})
}
