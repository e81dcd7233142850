// Package console shows people what the collector knows: sites, orders and the track of each, postings, exceptions and events. The
// pages are made here, need nothing from outside, work without scripts and on narrow screens, and change nothing.
package console

import (
	"embed"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/state"
)

//go:embed assets
var assets embed.FS

// Config is what the console reads from.
type Config struct {
	DB *db.DB
	// Token is asked for by the browser as the password of any user name; "" asks for none.
	Token string
	// OfflineAfter is how long after its last word a site counts as offline. 0 is fleet's default.
	OfflineAfter time.Duration
	// Drill is the URL of a drill server, whose switches get a page; "" for none.
	Drill string
	// Now is the clock by which a site's presence is judged; nil is time.Now.
	Now func() time.Time
	// Log may be nil.
	Log *slog.Logger
}

type server struct {
	Config
	fleet *fleet.Fleet
	log   *eventlog.Log
	drill *drill
}

// policy lets a page load its own style sheet and script and talk to its own server, and nothing else.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// New returns the console, to be served at the root.
func New(c Config) http.Handler {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &server{Config: c, fleet: &fleet.Fleet{DB: c.DB, OfflineAfter: c.OfflineAfter, Now: c.Now}, log: &eventlog.Log{DB: c.DB}}
	mux := http.NewServeMux()
	for path, body := range map[string]bodyOf{
		"/{$}":                            s.sites,
		"/sites/{id}":                     s.site,
		"/days":                           s.days,
		"/orders":                         s.orders,
		"/orders/{number}":                s.track,
		"/shipments/{site}/{number}":      s.oneGoods(state.KindShipment, "Shipment", "site", "number"),
		"/returns/{number}":               s.oneGoods(state.KindReturn, "Return", "number"),
		"/blind-returns/{site}/{receipt}": s.oneGoods(state.KindBlindReturn, "Blind return", "site", "receipt"),
		"/inbound/{site}/{reference}":     s.oneGoods(state.KindInbound, "Inbound", "site", "reference"),
		"/stock":                          s.stock,
		"/postings":                       s.postings,
		"/exceptions":                     s.exceptions,
		"/events":                         s.events,
		"/events/{id}":                    s.event,
		"/find":                           s.find,
	} {
		mux.HandleFunc("GET "+path, s.page(body))
	}
	for path := range goodsPages {
		mux.HandleFunc("GET "+path, s.page(s.goodsList(path)))
	}
	mux.Handle("GET /assets/", http.FileServerFS(assets))
	if c.Drill != "" {
		s.drill = &drill{base: c.Drill, client: &http.Client{Timeout: drillTimeout}}
		mux.HandleFunc("GET /drill", s.page(s.switches))
		mux.HandleFunc("POST /drill/{name}", s.turn)
	}
	mux.HandleFunc("GET /", s.page(func(*request) (*content, error) { return nil, errNoPage }))
	return s.guarded(mux)
}

func (s *server) guarded(next http.Handler) http.Handler {
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if s.Token != "" && !s.knows(r) {
			h.Set("WWW-Authenticate", `Basic realm="dockline", charset="UTF-8"`)
			http.Error(w, "Give the console's token as the password.", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// failure is the page's answer to an error: its status and what to tell.
func failure(err error) (status int, text string) {
	switch {
	case errors.Is(err, errNoPage):
		return http.StatusNotFound, "There is no such page."
	case errors.Is(err, view.ErrNoOrder), errors.Is(err, view.ErrNoGoods), errors.Is(err, eventlog.ErrNoEvent), errors.Is(err, errNoTenant), errors.Is(err, fleet.ErrNoSite):
		return http.StatusNotFound, err.Error()
	case errors.Is(err, errDrill):
		return http.StatusBadGateway, err.Error()
	}
	return http.StatusInternalServerError, "The collector could not read its database; its log says why."
}
