package health

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// controlFile holds "ADDRESS TOKEN" of the running agent, readable by its user only.
const controlFile = "control"

// Server is the agent's local HTTP: / is a page for a person, /healthz answers 200 or 503, /status needs the token.
type Server struct {
	Listen  string
	DataDir string
	// Report is the heartbeat as it would be sent now.
	Report func() *docklinev1.Heartbeat
	// Release ends the quarantine of a plugin; nil where there is none to release.
	Release func(ctx context.Context, plugin string) (text string, err error)
	Log     *slog.Logger
}

// Run serves until ctx ends. The address and a fresh token stand in DataDir while it runs.
func (s *Server) Run(ctx context.Context) error {
	listener, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return fmt.Errorf("serve health: %w (is another agent running? health.listen chooses the address)", err)
	}
	token := make([]byte, 16)
	if _, err := rand.Read(token); err != nil {
		return err
	}
	control := filepath.Join(s.DataDir, controlFile)
	if err := os.WriteFile(control, []byte(listener.Addr().String()+" "+hex.EncodeToString(token)), 0o600); err != nil {
		return errors.Join(err, listener.Close())
	}
	defer os.Remove(control)
	server := &http.Server{Handler: s.handler(hex.EncodeToString(token)), ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	s.Log.Info("health page", "url", "http://"+listener.Addr().String()+"/")
	if err := server.Serve(listener); ctx.Err() == nil {
		return err
	}
	return nil
}

func (s *Server) handler(token string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if conditions := s.Report().GetConditions(); !Healthy(conditions) {
			http.Error(w, conditions[0].GetTitle()+". "+conditions[0].GetText(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "events flow")
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if subtle.ConstantTimeCompare([]byte(given), []byte(token)) != 1 {
			http.Error(w, "the token stands in the file "+controlFile+" of the data folder", http.StatusUnauthorized)
			return
		}
		text, err := protojson.Marshal(s.Report())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(text)
	})
	mux.HandleFunc("POST /plugins/{id}/release", s.release(token))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		if err := page.Execute(w, s.Report()); err != nil {
			s.Log.Error("health page", "err", err)
		}
	})
	return mux
}

var page = template.Must(template.New("page").Parse(`<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<meta name="viewport" content="width=device-width"><title>Dockline {{.GetSite}}</title>
<style>body{font:1.1rem system-ui,sans-serif;max-width:46rem;margin:1rem auto;padding:0 1rem}td,th{text-align:left;padding:.2rem 1rem .2rem 0}.bad{color:#a00}</style>
<h1>{{.GetSite}}</h1>
{{range .GetConditions}}<p class="bad"><b>{{.GetTitle}}.</b> {{.GetText}}</p>{{else}}<p>Everything flows.</p>{{end}}
<p>{{.GetJournalEvents}} events wait to be acknowledged by the collector.</p>
<table><tr><th>Plugin<th>State<th>Remark</tr>{{range .GetPlugins}}<tr><td>{{.GetId}}<td>{{.GetState}}<td>{{.GetText}}</tr>{{end}}</table></html>`))

// ErrStopped: no agent runs on this data folder.
var ErrStopped = errors.New("the agent is not running")

// Ask returns the status of the agent that runs on dataDir.
func Ask(ctx context.Context, dataDir string) (*docklinev1.Heartbeat, error) {
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
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/status", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %s left a control file, but nobody answers: %v", ErrStopped, dataDir, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask the agent: %s: %s", resp.Status, body)
	}
	heartbeat := &docklinev1.Heartbeat{}
	return heartbeat, protojson.Unmarshal(body, heartbeat)
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
