package db

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// zstdMagic is what a compressed file begins with (RFC 8878, section 3.1.1).
var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// IsCopy says whether a file is, or was, a copy, of which any database can be restored; ReadCopy says what is wrong with one that is damaged.
func IsCopy(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	magic := make([]byte, len(zstdMagic))
	_, err = io.ReadFull(file, magic)
	return err == nil && bytes.Equal(magic, zstdMagic)
}

// undamaged reads what is compressed; what is wrong with that is the file's.
type undamaged struct{ from io.Reader }

func (u undamaged) Read(b []byte) (int, error) {
	n, err := u.from.Read(b)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return n, err
}
