package wmshttp

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dockline/dockline/plugins"
)

// server takes what others tell. It works on so many requests at once; each is answered when the journal has what it told.
type server struct {
	setup  *setup
	start  plugins.Start
	out    *emitter
	store  *store
	now    func() time.Time
	log    *slog.Logger
	door   *door
	places chan struct{} // one for each request that is worked on
	// life ends with the capture: what was begun is finished although its sender has gone.
	life context.Context
	// bound is told the address; nil: nobody.
	bound func(string)

	mu     sync.Mutex
	inHand map[string]bool // keys of requests that are worked on
	last   time.Time       // the last request of somebody known

	strangers, slow, large, full atomic.Int64
	handshakes                   handshakes
	crowd                        atomic.Pointer[crowd] // once it listens
}

func newServer(life context.Context, s *setup, start plugins.Start, out *emitter, st *store, now func() time.Time, log *slog.Logger) *server {
	return &server{setup: s, start: start, out: out, store: st, now: now, log: log, life: life, door: newDoor(s.Listen), places: make(chan struct{}, s.Listen.AtOnce), inHand: map[string]bool{}}
}

// problem is an answer that says what is wrong (RFC 9457).
type problem struct {
	Type   string `json:"type,omitempty"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// Errors are the records that are at fault.
	Errors []recordFault `json:"errors,omitempty"`

	retry time.Duration
	close bool
}

type recordFault struct {
	Index  int    `json:"index"`
	Code   string `json:"code"`
	Field  string `json:"field,omitempty"`
	Detail string `json:"detail"`
}

func (p *problem) Error() string { return p.Title }

func wrong(status int, title, format string, args ...any) *problem {
	return &problem{Status: status, Title: title, Detail: fmt.Sprintf(format, args...)}
}

// handler is every path, behind the door.
func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	var paths []string
	for _, st := range s.setup.listen {
		paths = append(paths, st.Path)
		mux.HandleFunc("POST "+st.Path, s.taking(func(w http.ResponseWriter, r *http.Request, sender string) error { return s.events(w, r, st, sender) }))
	}
	if e := s.setup.Listen.EPCIS; e != nil {
		c := &capturing{server: s, EPCIS: e, tenant: e.tenant(s.start.Tenant, s.start.Site, s.setup.zone)}
		mux.HandleFunc("POST "+e.Base+"/capture", s.taking(c.capture))
		paths = append(paths, e.Base+"/capture")
		mux.HandleFunc("OPTIONS "+e.Base+"/capture", c.discover)
		mux.HandleFunc("GET "+e.Base+"/capture", c.list)
		mux.HandleFunc("GET "+e.Base+"/capture/{job}", c.job)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		sender, ok := s.door.sender(r, s.now())
		if !ok {
			s.strangers.Add(1)
			w.Header().Set("WWW-Authenticate", `Bearer realm="dockline"`)
			p := wrong(http.StatusUnauthorized, "unknown sender", "send the token in the header Authorization: Bearer TOKEN, or in X-Api-Key")
			p.close = true // a place among max_connections is for somebody known
			answer(w, p)
			return
		}
		s.mu.Lock()
		s.last = s.now()
		s.mu.Unlock()
		if _, pattern := mux.Handler(r); pattern == "" && !slices.Contains(paths, r.URL.Path) {
			answer(w, wrong(http.StatusNotFound, "no such path", "nothing listens at %s; what happened is sent by POST to %s", r.URL.Path, strings.Join(paths, ", ")))
			return
		}
		mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), senderKey{}, sender)))
	})
}

type senderKey struct{}

// taking lets a request in that brings something, where there is room and the journal takes it.
func (s *server) taking(take func(w http.ResponseWriter, r *http.Request, sender string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		sender, _ := r.Context().Value(senderKey{}).(string)
		if long, _ := s.out.behind(); long > s.setup.Listen.AnswerWithin {
			s.full.Add(1)
			answer(w, s.notNow())
			return
		}
		select {
		case s.places <- struct{}{}:
			defer func() { <-s.places }()
		default:
			p := wrong(http.StatusTooManyRequests, "too many requests at once", "%d requests are being worked on; send this one again a little later", cap(s.places))
			p.retry = time.Second
			answer(w, p)
			return
		}
		if err := take(w, r, sender); err != nil {
			answer(w, s.explain(err))
		}
	}
}

// notNow is the answer while the journal takes nothing. Nothing of the request is lost to the sender: he sends it again.
func (s *server) notNow() *problem {
	p := wrong(http.StatusServiceUnavailable, "the journal is full or behind", "nothing that is sent now can be kept safely; send it again later, under the same Idempotency-Key if there is one")
	p.retry = 10 * time.Second
	return p
}

// explain makes an answer of an error.
func (s *server) explain(err error) *problem {
	var p *problem
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &large):
		s.large.Add(1)
		p = wrong(http.StatusRequestEntityTooLarge, "too large", "more than %d bytes; divide what is sent", large.Limit)
		p.close = true
		return p
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.slow.Add(1)
		p = wrong(http.StatusRequestTimeout, "too slow", "the body came more slowly than %d bytes a second", s.setup.Listen.MinRate)
		p.close = true
		return p
	case errors.Is(err, errWaits), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		s.full.Add(1)
		return s.notNow()
	}
	s.log.Error("a request could not be worked on", "err", err)
	p = wrong(http.StatusInternalServerError, "not taken", "the plugin could not work on it; the agent's log says why. Send it again later")
	p.retry = 10 * time.Second
	return p
}

// answer writes a problem.
func answer(w http.ResponseWriter, p *problem) {
	if p.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(p.retry/time.Second))))
	}
	if p.close {
		w.Header().Set("Connection", "close")
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // who does not listen any longer is not answered
}

// paced is a body that may not come more slowly than a rate. The deadline of the connection is moved on with every piece.
type paced struct {
	from    io.Reader
	control *http.ResponseController
	began   time.Time
	// patience is what it may take besides.
	patience time.Duration
	rate     int64
	read     int64
}

// Read implements io.Reader.
func (p *paced) Read(b []byte) (int, error) {
	_ = p.control.SetReadDeadline(p.began.Add(p.patience + time.Duration(p.read)*time.Second/time.Duration(p.rate))) // without it there is the server's own
	n, err := p.from.Read(b)
	p.read += int64(n)
	if errors.Is(err, io.EOF) {
		_ = p.control.SetReadDeadline(time.Time{}) // the answer may take longer
	}
	return n, err
}

// body is what a request brings, unpacked and within its limits.
func (s *server) body(w http.ResponseWriter, r *http.Request, most int64) (io.Reader, error) {
	if r.ContentLength > most {
		return nil, &http.MaxBytesError{Limit: most}
	}
	var from io.Reader = &paced{from: http.MaxBytesReader(w, r.Body, most), control: http.NewResponseController(w), began: time.Now(), patience: s.setup.Listen.BodyPatience, rate: int64(s.setup.Listen.MinRate)}
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
		return from, nil
	case "gzip", "x-gzip":
		unpacked, err := gzip.NewReader(from)
		if err != nil {
			return nil, bodyFault(err)
		}
		return &bounded{unpacked, most, most}, nil
	default:
		return nil, wrong(http.StatusUnsupportedMediaType, "unknown encoding", "Content-Encoding %q is not known; send gzip, or the body as it is", encoding)
	}
}

// bounded refuses more than a limit: what is packed may unpack to anything.
type bounded struct {
	from  io.Reader
	left  int64
	limit int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, &http.MaxBytesError{Limit: b.limit}
	}
	return n, err
}

// bodyFault is an error in reading a body: the sender's, unless it is one of the limits.
func bodyFault(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	var n net.Error
	if errors.As(err, &n) && n.Timeout() {
		return os.ErrDeadlineExceeded
	}
	return wrong(http.StatusBadRequest, "body cannot be read", "%v; nothing of it was taken", err)
}

// run listens until ctx ends; then requests in hand are finished.
func (s *server) run(ctx context.Context, report func(error)) error {
	n := s.setup.Listen
	var secure *tls.Config
	if n.TLS != nil {
		var err error
		if secure, err = n.TLS.config(); err != nil {
			return err
		}
	}
	listener, err := s.bind(ctx, report)
	if err != nil {
		return nil // ctx has ended
	}
	if s.bound != nil {
		s.bound(listener.Addr().String())
	}
	// A body that nobody asks for, of somebody who is not let in or of a path that is none, is waited for too, and so has an end; paced moves it on for
	// those that are read.
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: n.HeaderTimeout, ReadTimeout: n.HeaderTimeout + n.BodyPatience, IdleTimeout: time.Minute, MaxHeaderBytes: 32 << 10, TLSConfig: secure,
		WriteTimeout: 0, ErrorLog: log.New(&s.handshakes, "", 0), ConnState: s.crowd.Load().state}
	ended := make(chan error, 1)
	go func() {
		if secure != nil {
			ended <- server.ServeTLS(listener, "", "")
		} else {
			ended <- server.Serve(listener)
		}
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWithin)
		defer cancel()
		if server.Shutdown(last) != nil {
			return server.Close()
		}
		return nil
	}
}

// drainWithin is how long requests in hand may take when the plugin is to end.
const drainWithin = 3 * time.Second

// bind opens the address; one that another program has is tried again.
func (s *server) bind(ctx context.Context, report func(error)) (net.Listener, error) {
	var config net.ListenConfig
	for {
		listener, err := config.Listen(ctx, "tcp", s.setup.Listen.Address)
		report(err)
		if err == nil {
			crowd := newCrowd(listener, s.setup.Listen.MaxConnections)
			s.crowd.Store(crowd)
			return crowd, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(2 * time.Second):
		}
	}
}
