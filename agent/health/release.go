package health

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// releaseWithin is how long a plugin may take to end before it is started again.
const releaseWithin = time.Minute

// release answers POST /plugins/ID/release.
func (s *Server) release(w http.ResponseWriter, r *http.Request) {
	if s.Release == nil {
		http.Error(w, "this agent has no plugins", http.StatusNotFound)
		return
	}
	text, err := s.Release(r.Context(), r.PathValue("id"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	fmt.Fprintln(w, text)
}

// ReleasePlugin asks the agent that runs on dataDir to start a quarantined plugin at once, and returns what it says.
func ReleasePlugin(ctx context.Context, dataDir, plugin string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, releaseWithin)
	defer cancel()
	answer, err := request(ctx, http.MethodPost, dataDir, "/plugins/"+url.PathEscape(plugin)+"/release")
	if err != nil {
		return "", err
	}
	defer answer.Close()
	text, err := io.ReadAll(io.LimitReader(answer, 64<<10))
	return strings.TrimSpace(string(text)), err
}
