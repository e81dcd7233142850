package world

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Page is a page of the console, as a browser gets it.
func (w *World) Page(ctx context.Context, path string) (string, error) {
	var page text
	err := w.get(ctx, path, &page)
	return string(page), err
}

// text takes an answer as it is.
type text []byte

// get asks the collector's HTTP about this tenant; into may be nil.
func (w *World) get(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if path != "healthz" {
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		path += separator + "tenant=" + w.Config.Tenant
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.ConsoleURL+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s: %s", path, resp.Status, body)
	}
	switch into := into.(type) {
	case nil:
		return nil
	case *text:
		*into = body
		return nil
	}
	return json.Unmarshal(body, into)
}

// waitFor waits until a state is reached; what says which, for the error.
func (w *World) waitFor(ctx context.Context, what string, limit time.Duration, reached func() bool) error {
	deadline := time.Now().Add(limit)
	for !reached() {
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not within %s", what, limit)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}
