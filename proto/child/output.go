package child

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"
)

// maxHandshake bounds the one line that a program may write to standard output.
const maxHandshake = 64 << 10

// endReader says when its reader has dealt with everything: it comes back for more and there is none.
type endReader struct {
	io.ReadCloser
	end func()
}

func (r *endReader) Read(b []byte) (int, error) {
	n, err := r.ReadCloser.Read(b)
	if err != nil {
		r.end()
	}
	return n, err
}

// handshakeReader gives the first line of standard output to the reader, and all that follows to outside.
type handshakeReader struct {
	io.ReadCloser
	outside io.Writer
	heard   *atomic.Int64
	kind    string
	over    bool
}

func (r *handshakeReader) Read(b []byte) (int, error) {
	if r.over {
		_, _ = io.Copy(r.outside, r.ReadCloser)
		return 0, io.EOF
	}
	n, err := r.ReadCloser.Read(b)
	seen := r.heard.Add(int64(n))
	if i := bytes.IndexByte(b[:n], '\n'); i >= 0 {
		r.over = true
		if i+1 < n {
			_, _ = r.outside.Write(b[i+1 : n])
		}
		return i + 1, nil
	}
	if seen > maxHandshake && err == nil {
		err = fmt.Errorf("standard output of the %s has no end of line", r.kind)
	}
	return n, err
}
