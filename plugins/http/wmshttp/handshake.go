package wmshttp

import (
	"strings"
	"sync"
)

// handshakes hears what the server has to say of connections, and keeps which could not be secured: who speaks no TLS, or does not take our certificate.
type handshakes struct {
	mu    sync.Mutex
	count int64
	last  string
}

// Write implements io.Writer; it is given one line at a time.
func (h *handshakes) Write(line []byte) (int, error) {
	_, text, ok := strings.Cut(strings.TrimSpace(string(line)), "TLS handshake error from ")
	if !ok || strings.HasSuffix(text, ": EOF") { // who only looks whether something listens says nothing
		return len(line), nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count, h.last = h.count+1, cut(strings.ToValidUTF8(text, "?"), 200)
	return len(line), nil
}

func (h *handshakes) seen() (int64, string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count, h.last
}
