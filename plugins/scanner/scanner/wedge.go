package scanner

import "time"

// Numbers of Linux' input events (linux/input-event-codes.h).
const (
	evKey = 1

	keyEnter, keyKPEnter, keyTab = 28, 96, 15
	keyLeftShift, keyRightShift  = 42, 54
	keyLeftCtrl, keyRightCtrl    = 29, 97
	keyRightAlt                  = 100
	keyCapsLock                  = 58
)

// layouts are what the keys give, as readers that imitate a keyboard of this country type: without and with shift, and with the right Alt key.
var layouts = map[string]map[uint16][3]rune{"us": layout(
	"2!3@4#5$6%7^8&9*:(;)<_=+", "qQwWeErRtTyYuUiIoOpP[{]}", "aAsSdDfFgGhHjJkKlL;:'\"`~", "zZxXcCvVbBnNmM,<.>/?", `\|`),
	"de": german()}

// layout fills the rows of keys of an American keyboard.
func layout(_, top, home, bottom, backslash string) map[uint16][3]rune {
	keys := map[uint16][3]rune{57: {' ', ' '}, 12: {'-', '_'}, 13: {'=', '+'}}
	digits, shifted := "1234567890", "!@#$%^&*()"
	for i := range digits {
		keys[uint16(2+i)] = [3]rune{rune(digits[i]), rune(shifted[i])}
	}
	row := func(first uint16, pairs string) {
		for i := 0; i+1 < len(pairs); i += 2 {
			keys[first+uint16(i/2)] = [3]rune{rune(pairs[i]), rune(pairs[i+1])}
		}
	}
	row(16, top)
	row(30, home)
	row(44, bottom)
	keys[43] = [3]rune{rune(backslash[0]), rune(backslash[1])}
	keypad := map[uint16]rune{71: '7', 72: '8', 73: '9', 74: '-', 75: '4', 76: '5', 77: '6', 78: '+', 79: '1', 80: '2', 81: '3', 82: '0', 83: '.', 55: '*', 98: '/'}
	for key, r := range keypad {
		keys[key] = [3]rune{r, r}
	}
	return keys
}

func german() map[uint16][3]rune {
	keys := layout("", "qQwWeErRtTzZuUiIoOpP", "aAsSdDfFgGhHjJkKlL", "yYxXcCvVbBnNmM,;.:-_", "#'")
	shifted := "!\"\u00a7$%&/()="
	i := 0
	for _, r := range shifted {
		keys[uint16(2+i)] = [3]rune{rune("1234567890"[i]), r}
		i++
	}
	keys[8] = [3]rune{'7', '/', '{'}
	keys[9] = [3]rune{'8', '(', '['}
	keys[10] = [3]rune{'9', ')', ']'}
	keys[11] = [3]rune{'0', '=', '}'}
	keys[12] = [3]rune{'\u00df', '?', '\\'}
	keys[13] = [3]rune{'\u00b4', '`'}
	keys[16] = [3]rune{'q', 'Q', '@'}
	keys[26] = [3]rune{'\u00fc', '\u00dc'}
	keys[27] = [3]rune{'+', '*', '~'}
	keys[39] = [3]rune{'\u00f6', '\u00d6'}
	keys[40] = [3]rune{'\u00e4', '\u00c4'}
	keys[41] = [3]rune{'^', '\u00b0'}
	keys[86] = [3]rune{'<', '>', '|'}
	return keys
}

// keyboard makes codes of key events.
type keyboard struct {
	keys               map[uint16][3]rune
	shift, ctrl, third bool
	caps               bool
	typed              []rune
	most               int
	skip               bool
	last               time.Time
	garbage            int
}

// press takes one key event: value 1 is down, 0 up, 2 held. It gives a whole code when the reader ends it.
func (k *keyboard) press(now time.Time, code uint16, value int32, take func([]byte)) {
	down := value != 0
	switch code {
	case keyLeftShift, keyRightShift:
		k.shift = down
		return
	case keyLeftCtrl, keyRightCtrl:
		k.ctrl = down
		return
	case keyRightAlt:
		k.third = down
		return
	}
	if value != 1 {
		return
	}
	if len(k.typed) > 0 && now.Sub(k.last) > halfFor {
		k.garbage += len(k.typed)
		k.typed = k.typed[:0]
	}
	k.last = now
	switch code {
	case keyCapsLock:
		k.caps = !k.caps
	case keyEnter, keyKPEnter, keyTab:
		if len(k.typed) > 0 && !k.skip {
			take([]byte(string(k.typed)))
		}
		k.typed, k.skip = k.typed[:0], false
	default:
		k.character(code)
	}
}

func (k *keyboard) character(code uint16) {
	pair, known := k.keys[code]
	r := pair[0]
	switch {
	case !known:
		k.garbage++
		return
	case k.third:
		r = pair[2]
	case k.ctrl:
		if r = controlOf(pair[0]); r == 0 {
			k.garbage++
			return
		}
	case k.shift != (k.caps && pair[0] >= 'a' && pair[0] <= 'z'):
		r = pair[1]
	}
	if len(k.typed) >= k.most {
		k.garbage += len(k.typed)
		k.typed, k.skip = k.typed[:0], true
	}
	if r != 0 && !k.skip {
		k.typed = append(k.typed, r)
	}
}

// controlOf is the control character that a key gives with Ctrl: readers type the separator of a GS1 code as Ctrl and ].
func controlOf(r rune) rune {
	if r >= 'a' && r <= 'z' {
		return r - 'a' + 1
	}
	if r >= '[' && r <= '_' {
		return r - '@'
	}
	return 0
}

// events decodes what Linux gives of an input device: records of 24 bytes, 16 where time has 32 bits, without the last ones that are not whole.
func events(data []byte, size int, each func(kind, code uint16, value int32)) (rest []byte) {
	for len(data) >= size {
		record := data[size-8 : size]
		each(order.Uint16(record), order.Uint16(record[2:]), int32(order.Uint32(record[4:])))
		data = data[size:]
	}
	return data
}
