package scanner

import (
	"bytes"
	"slices"
	"testing"
	"time"
)

// However the bytes of a line arrive, the same scans come of them.
func TestFrames(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		frame Frame
		sent  string
		want  []string
	}{
		{Frame{Type: frameLines, Longest: 20}, "A1\r\nA2\rA3\n\n\r" + string(bytes.Repeat([]byte("x"), 5000)) + "\rA4\rhalf", []string{"A1", "A2", "A3", "A4"}},
		{Frame{Type: frameSTX, Longest: 20}, "noise\x02A1\x03\r\n\x02A2\x03\x03\x02lost\x02A3\x03\x02" + string(bytes.Repeat([]byte("x"), 5000)) + "\x03\x02A4\x03", []string{"A1", "A2", "A3", "A4"}},
		{Frame{Type: frameSTX, Begin: "<", End: ">", Longest: 20}, "<A1><A2>", []string{"A1", "A2"}},
		{Frame{Type: frameLength, Longest: 20}, "\x00\x02A1\x00\x00\x00\x1e" + string(bytes.Repeat([]byte("x"), 30)) + "\x00\x02A2", []string{"A1", "A2"}},
	} {
		for _, piece := range []int{1, 2, 3, 7, 1 << 20} {
			f := newFramer(c.frame)
			var got []string
			for part := range slices.Chunk([]byte(c.sent), piece) {
				f.feed(now, part, func(scan []byte) { got = append(got, string(scan)) })
				if len(f.held) > c.frame.Longest {
					t.Fatalf("%s holds %d bytes", c.frame.Type, len(f.held))
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s in pieces of %d: %q, want %q", c.frame.Type, piece, got, c.want)
			}
		}
	}
}

func TestAHalfFrameIsDroppedInTime(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	for _, kind := range []string{frameLines, frameSTX, frameLength} {
		f := newFramer(Frame{Type: kind, Longest: 100})
		f.feed(now, map[string][]byte{frameLines: []byte("hal"), frameSTX: []byte("\x02hal"), frameLength: {0, 9, 'h'}}[kind], func([]byte) {})
		var got []string
		f.feed(now.Add(halfFor+time.Second), map[string][]byte{frameLines: []byte("A1\r"), frameSTX: []byte("\x02A1\x03"), frameLength: {0, 2, 'A', '1'}}[kind],
			func(scan []byte) { got = append(got, string(scan)) })
		if !slices.Equal(got, []string{"A1"}) || f.garbage == 0 {
			t.Errorf("%s: %q with %d bytes of garbage", kind, got, f.garbage)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add("A1\r\n", uint8(0))
	f.Add("\x02A1\x03\x02", uint8(1))
	f.Add("\x00\x02A1\xff\xff", uint8(2))
	f.Fuzz(func(t *testing.T, sent string, kind uint8) {
		frame := newFramer(Frame{Type: []string{frameLines, frameSTX, frameLength}[kind%3], Longest: 10})
		for i := range len(sent) {
			frame.feed(time.Time{}, []byte{sent[i]}, func(scan []byte) {
				if len(scan) == 0 || len(scan) > 10 {
					t.Errorf("a scan of %d bytes", len(scan))
				}
			})
		}
	})
}

// keys are what a reader types for a text on an American keyboard, as Linux records it: each key with its scan code and a report behind it.
func keys(size int, text string) []byte {
	var out []byte
	record := func(kind, code uint16, value int32) {
		b := make([]byte, size)
		order.PutUint16(b[size-8:], kind)
		order.PutUint16(b[size-6:], code)
		order.PutUint32(b[size-4:], uint32(value))
		out = append(out, b...)
	}
	press := func(code uint16, value int32) {
		record(4, 4, int32(code)) // MSC_SCAN
		record(evKey, code, value)
		record(0, 0, 0) // SYN_REPORT
	}
	for _, r := range text {
		if r == '\n' {
			press(keyEnter, 1)
			press(keyEnter, 0)
			continue
		}
		for code, pair := range layouts["us"] {
			with := uint16(0)
			switch r {
			case pair[0]:
			case pair[1]:
				with = keyLeftShift
			case controlOf(pair[0]):
				with = keyLeftCtrl
			default:
				continue
			}
			if code >= 55 && code != 57 {
				continue // the keypad has these, too
			}
			if with != 0 {
				press(with, 1)
			}
			press(code, 1)
			press(code, 2)
			press(code, 0)
			if with != 0 {
				press(with, 0)
			}
			break
		}
	}
	return out
}

func TestKeyboardReadersTypeCodes(t *testing.T) {
	for _, size := range []int{24, 16} {
		k := &keyboard{keys: layouts["us"], most: 100}
		var got []string
		sent := keys(size, "SO7\n]C1010401234567890110A-7\x1d37{2}\nabc_XYZ!\n")
		for piece := range slices.Chunk(sent, size*5) {
			rest := events(piece, size, func(kind, code uint16, value int32) {
				if kind == evKey {
					k.press(time.Time{}, code, value, func(scan []byte) { got = append(got, string(scan)) })
				}
			})
			if len(rest) != 0 {
				t.Fatalf("%d bytes are left", len(rest))
			}
		}
		if want := []string{"SO7", "]C1010401234567890110A-7\x1d37{2}", "abc_XYZ!"}; !slices.Equal(got, want) {
			t.Errorf("typed %q, want %q", got, want)
		}
	}
}

func TestGermanKeyboard(t *testing.T) {
	k := &keyboard{keys: layouts["de"], most: 10}
	var got string
	press := func(code uint16, with uint16) {
		if with != 0 {
			k.press(time.Time{}, with, 1, nil)
		}
		k.press(time.Time{}, code, 1, func(scan []byte) { got = string(scan) })
		k.press(time.Time{}, code, 0, nil)
		if with != 0 {
			k.press(time.Time{}, with, 0, nil)
		}
	}
	press(44, keyLeftShift) // Y
	press(21, 0)            // z
	press(10, keyRightAlt)  // ]
	press(53, 0)            // -
	press(8, keyLeftShift)  // /
	press(keyEnter, 0)
	if got != "Yz]-/" {
		t.Errorf("typed %q", got)
	}
}
