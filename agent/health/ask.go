package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// ErrStopped: no agent runs on this data folder.
var ErrStopped = errors.New("the agent is not running")

// Ask returns the status of the agent that runs on dataDir.
func Ask(ctx context.Context, dataDir string) (*docklinev1.Heartbeat, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	answer, err := Get(ctx, dataDir, "/status")
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	body, err := io.ReadAll(answer)
	if err != nil {
		return nil, err
	}
	heartbeat := &docklinev1.Heartbeat{}
	return heartbeat, protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(body, heartbeat)
}

// Get asks the agent that runs on dataDir for anything that it tells who can read its control file.
func Get(ctx context.Context, dataDir, path string) (io.ReadCloser, error) {
	return request(ctx, http.MethodGet, dataDir, path)
}

func request(ctx context.Context, method, dataDir, path string) (io.ReadCloser, error) {
	text, err := os.ReadFile(filepath.Join(dataDir, controlFile))
	if os.IsNotExist(err) {
		return nil, ErrStopped
	}
	if err != nil {
		return nil, err
	}
	address, token, ok := strings.Cut(string(text), " ")
	if !ok {
		return nil, ErrStopped
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	direct := &http.Client{Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}
	resp, err := direct.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %s left a control file, but nobody answers: %v", ErrStopped, dataDir, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)) // the status alone says enough
		if said := strings.TrimSpace(string(body)); said != "" && resp.StatusCode < 500 {
			return nil, errors.New(said) // the agent has answered in words
		}
		return nil, fmt.Errorf("ask the agent: %s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return resp.Body, nil
}

// JSON renders a status compactly and always alike, for people and scripts.
func JSON(h *docklinev1.Heartbeat) (string, error) {
	text, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(h)
	if err != nil {
		return "", err
	}
	var compact json.RawMessage = text
	out, err := json.MarshalIndent(compact, "", "  ")
	return string(out), err
}
