package health

import (
	"context"
	"crypto/subtle"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// releaseWithin is how long a plugin may take to end before it is started again.
const releaseWithin = time.Minute

// release answers POST /plugins/ID/release of who has the token.
func (s *Server) release(token string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if subtle.ConstantTimeCompare([]byte(given), []byte(token)) != 1 {
			http.Error(w, "the token stands in the file "+controlFile+" of the data folder", http.StatusUnauthorized)
			return
		}
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
}

// ReleasePlugin asks the agent that runs on dataDir to start a quarantined plugin at once, and returns what it says.
func ReleasePlugin(ctx context.Context, dataDir, plugin string) (string, error) {
	control, err := os.ReadFile(filepath.Join(dataDir, controlFile))
	if os.IsNotExist(err) {
		return "", ErrStopped
	}
	if err != nil {
		return "", err
	}
	address, token, ok := strings.Cut(string(control), " ")
	if !ok {
		return "", ErrStopped
	}
	ctx, cancel := context.WithTimeout(ctx, releaseWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/plugins/"+url.PathEscape(plugin)+"/release", nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("%w: %s left a control file, but nobody answers: %v", ErrStopped, dataDir, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return "", err
	}
	said := strings.TrimSpace(string(text))
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the agent says: %s", said)
	}
	return said, nil
}
