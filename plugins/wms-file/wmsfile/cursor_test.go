package wmsfile

import (
	"bytes"
	"testing"
)

func TestCursorOfALaterVersionIsNotGuessed(t *testing.T) {
	if _, err := parseCursor([]byte(`{"v":2}`)); err == nil {
		t.Error("a cursor of version 2 was taken")
	}
	if _, err := parseCursor([]byte("no json")); err == nil {
		t.Error("a cursor that is none was taken")
	}
}

func FuzzCursor(f *testing.F) {
	f.Add([]byte(`{"v":1,"seq":7,"files":[{"name":"a","stream":"s","hash":"h","config":"c","items":3}],"streams":{"s":{"stamp":"2026-07-04T08:00:00Z"}}}`))
	f.Add([]byte(`{"v":1,"files":[null],"streams":null}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := parseCursor(raw)
		if err != nil {
			return
		}
		c.progress("s").Movement++
		first := c.encode()
		again, err := parseCursor(first)
		if err != nil || !bytes.Equal(again.encode(), first) {
			t.Errorf("%q is read back as another: %v", first, err)
		}
	})
}
