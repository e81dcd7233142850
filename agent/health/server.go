package health

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// controlFile holds "ADDRESS TOKEN" of the running agent, readable by its user only.
const controlFile = "control"

// Server is the agent's local HTTP: / is the page of the shift supervisor, /healthz and /readyz answer 200 or 503, /metrics is for
// Prometheus, and /status and Control need the token.
type Server struct {
	Listen  string
	DataDir string
	// Report is the heartbeat as it would be sent now, Facts what it was made from.
	Report func() *docklinev1.Heartbeat
	Facts  func() Facts
	// Pending is what is not yet in the ERP. With an error comes what could be read.
	Pending func() (*Pending, error)
	// Control are more requests by pattern, for who has the token.
	Control map[string]http.HandlerFunc
	// Release ends the quarantine of a plugin; nil where there is none to release.
	Release func(ctx context.Context, plugin string) (text string, err error)
	Log     *slog.Logger
	// Listens, where there is one, is called once who asks is answered.
	Listens func()
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
	if s.Listens != nil {
		s.Listens()
	}
	s.Log.Info("health page", "url", "http://"+listener.Addr().String()+"/")
	if err := server.Serve(listener); ctx.Err() == nil {
		return err
	}
	return nil
}

func (s *Server) handler(token string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /metrics", s.metrics)
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /status", guarded(token, s.status))
	mux.HandleFunc("POST /plugins/{id}/release", guarded(token, s.release))
	for pattern, handler := range s.Control {
		mux.HandleFunc(pattern, guarded(token, handler))
	}
	return loopbackOnly(mux)
}

// loopbackOnly answers only who calls this machine by a name of its own: a page on the web whose name was pointed at 127.0.0.1 (DNS
// rebinding) is told no.
func loopbackOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.Host
		if host, _, err := net.SplitHostPort(name); err == nil {
			name = host
		}
		ip := net.ParseIP(strings.Trim(name, "[]"))
		if !strings.EqualFold(name, "localhost") && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "this page is for this machine only: http://127.0.0.1 and the port", http.StatusMisdirectedRequest)
			return
		}
		header := w.Header()
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// guarded answers only who can read the control file.
func guarded(token string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if subtle.ConstantTimeCompare([]byte(given), []byte(token)) != 1 {
			http.Error(w, "the token stands in the file "+controlFile+" of the data folder", http.StatusUnauthorized)
			return
		}
		next(w, r)
	}
}

// healthz says whether events flow.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	for _, c := range s.Report().GetConditions() {
		if c.GetSeverity() == docklinev1.Severity_SEVERITY_ERROR {
			http.Error(w, c.GetTitle()+". "+c.GetText(), http.StatusServiceUnavailable)
			return
		}
	}
	fmt.Fprintln(w, "events flow")
}

// readyz says whether what happens at the dock is taken, whatever becomes of the line.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	f, h := s.Facts(), s.Report()
	if f.JournalFull {
		http.Error(w, "the journal takes no more: "+Sentence(h), http.StatusServiceUnavailable)
		return
	}
	for _, p := range h.GetPlugins() {
		if p.GetState() != "running" {
			http.Error(w, strings.TrimSuffix(fmt.Sprintf("plugin %s is %s: %s", p.GetId(), p.GetState(), p.GetText()), ": "), http.StatusServiceUnavailable)
			return
		}
	}
	fmt.Fprintln(w, "it captures")
}

func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", metricsType)
	_, _ = measure(s.Facts(), s.Report()).WriteTo(w) // who hung up does not want it
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	text, err := protojson.Marshal(s.Report())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text)
}

func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	at := look{print: r.URL.Query().Get("print") != ""}
	at.orders, _ = strconv.Atoi(r.URL.Query().Get("orders")) // what is no number is the first page
	at.refused, _ = strconv.Atoi(r.URL.Query().Get("refused"))
	pending, err := s.Pending()
	if err != nil {
		s.Log.Error("health page: what is not in the ERP", "err", err)
	}
	var b bytes.Buffer
	if err := page.Execute(&b, viewOf(s.Facts(), s.Report(), pending, at)); err != nil {
		s.Log.Error("health page", "err", err)
		http.Error(w, "the page could not be made; the agent's log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))
