package collector

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/dockline/dockline/collector/api"
	"github.com/dockline/dockline/collector/console"
	"github.com/dockline/dockline/collector/siteconfig"
	"github.com/dockline/dockline/collector/sweep"
)

// handler serves what people and programs ask for.
func (m *Collector) handler(ctx context.Context, r *road, sweeps *sweep.Schedule) (http.Handler, error) {
	token := ""
	if m.config.HTTP.TokenFile != "" {
		text, err := os.ReadFile(m.config.Path(m.config.HTTP.TokenFile))
		if err != nil {
			return nil, fmt.Errorf("http.token_file: %w", err)
		}
		// No token would open everything to everybody.
		if token = strings.TrimSpace(string(text)); token == "" {
			return nil, fmt.Errorf("http.token_file: %s is empty; write the token into it", m.config.Path(m.config.HTTP.TokenFile))
		}
	}
	tokens, err := m.tokens(token)
	if err != nil {
		return nil, err
	}
	metrics, err := m.newMetrics(ctx)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", &healthz{well: func(ctx context.Context) error { return m.well(ctx, r) }, log: m.log})
	mux.Handle("GET /metrics", api.GuardWhole(tokens, metrics))
	mux.Handle("/api/", api.New(api.Config{DB: m.db, Tokens: tokens, OfflineAfter: m.config.MQTT.OfflineAfter, Log: m.log.With("part", "api"), Process: m.process, Submissions: m.newIntake(m.newLog(), r.wake),
		Desk: func() api.Desk { return m.desk() }, Acted: r.acted,
		Sweep: BeginSweep(sweeps.Sweep, sweeps.Targets), Swept: sweeps.Wake}))
	sites := api.Guard(tokens, &siteconfig.API{Store: siteconfig.Store{DB: m.db}, OfflineAfter: m.config.MQTT.OfflineAfter, Log: m.log.With("part", "api")})
	mux.Handle("/api/v1/site-config", sites)
	mux.Handle("/api/v1/site-config/", sites)
	mux.Handle("/hooks/carriers/{name}", m.newHooks(r)) // whoever signs needs no token
	mux.Handle("/", console.New(console.Config{DB: m.db, Token: token, OfflineAfter: m.config.MQTT.OfflineAfter, Drill: m.config.Console.Drill, Log: m.log.With("part", "console")}))
	if token == "" {
		return onlyHere(mux), nil
	}
	return mux, nil
}

// tokens are all that the API lets in; any is the one that may name anybody.
func (m *Collector) tokens(any string) (api.Tokens, error) {
	tokens := api.Tokens{Any: any}
	if m.config.HTTP.TokensFile == "" {
		return tokens, nil
	}
	path := m.config.Path(m.config.HTTP.TokensFile)
	text, err := os.ReadFile(path)
	if err == nil {
		tokens.Named, err = api.ReadTokens(path, text)
	}
	if err != nil {
		return tokens, fmt.Errorf("http.tokens_file: %w", err)
	}
	return tokens, nil
}

// well says whether the database takes writes, and what sites send: one that has run out of room may still take a small change.
func (m *Collector) well(ctx context.Context, r *road) error {
	if err := m.db.Well(ctx); err != nil {
		return err
	}
	if err := r.ingest.Trouble(); err != nil {
		return err
	}
	return r.filler.Trouble()
}

// onlyHere answers only who asked for this machine by its own name. Without a token a page of a stranger could give its name our address,
// and so have a browser of this machine read everything to it.
func onlyHere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if !isLoopback(strings.Trim(host, "[]")) {
			http.Error(w, "There is no token, so only this machine is answered: ask for localhost or 127.0.0.1, or set http.token_file.", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
