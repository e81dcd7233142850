package siteconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dockline/dockline/proto/configfile"
)

// API serves desired configurations as JSON below /api/v1/site-config; errors are RFC 9457 problems. Who may ask is for whoever mounts it.
type API struct {
	Store
	OfflineAfter time.Duration
	Log          *slog.Logger
}

// request is the body of a change.
type request struct {
	YAML   string `json:"yaml"`
	By     string `json:"by"`
	Reason string `json:"reason"`
	// From is the version that the change began from. Soak and Trial are like "15m"; Soak "" waits for a person at each ring.
	From  uint64 `json:"from_version"`
	Soak  string `json:"soak"`
	Trial string `json:"trial"`
	// Action moves a roll-out: go or stop.
	Action string `json:"action"`
}

type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Newest is the version that somebody else has set, Faults what is wrong with the text.
	Newest *Version         `json:"newest,omitempty"`
	Faults []map[string]any `json:"faults,omitempty"`
}

// ServeHTTP answers GET (history), GET .../drift, POST (a new version) and POST .../rollout. ?tenant= is needed, ?group= is default.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	tenant, group := r.URL.Query().Get("tenant"), r.URL.Query().Get("group")
	if group == "" {
		group = DefaultGroup
	}
	if tenant == "" {
		a.fail(w, r, http.StatusBadRequest, errors.New("add tenant="))
		return
	}
	allowed, known := map[string]string{"/api/v1/site-config": "GET, HEAD, POST", "/api/v1/site-config/drift": "GET, HEAD", "/api/v1/site-config/rollout": "POST"}[r.URL.Path]
	if !known {
		a.fail(w, r, http.StatusNotFound, fmt.Errorf("there is no %s", r.URL.Path))
		return
	}
	verb := r.Method
	if verb == http.MethodHead {
		verb = http.MethodGet
	}
	var answer any
	var err error
	status := http.StatusOK
	switch verb + " " + r.URL.Path {
	case "GET /api/v1/site-config":
		answer, err = a.history(r, tenant, group)
	case "GET /api/v1/site-config/drift":
		answer, err = a.Members(r.Context(), tenant, r.URL.Query().Get("group"), a.OfflineAfter)
	case "POST /api/v1/site-config":
		answer, err = a.set(r, tenant, group)
		status = http.StatusCreated
	case "POST /api/v1/site-config/rollout":
		answer, err = a.roll(r, tenant, group)
	default:
		w.Header().Set("Allow", allowed)
		a.fail(w, r, http.StatusMethodNotAllowed, fmt.Errorf("use %s here", strings.ReplaceAll(allowed, ", ", " or ")))
		return
	}
	var conflict *Conflict
	var faults configfile.Faults
	switch {
	case err == nil:
		send(w, status, "application/json", answer)
	case errors.As(err, &conflict), errors.Is(err, ErrState):
		a.fail(w, r, http.StatusConflict, err)
	case errors.Is(err, ErrNone):
		a.fail(w, r, http.StatusNotFound, err)
	case errors.As(err, &faults), errors.As(err, new(badRequest)):
		a.fail(w, r, http.StatusUnprocessableEntity, err)
	default:
		a.fail(w, r, http.StatusInternalServerError, err)
	}
}

type badRequest struct{ error }

func (a *API) history(r *http.Request, tenant, group string) (any, error) {
	text := r.URL.Query().Get("version")
	if text == "" {
		return a.History(r.Context(), tenant, group)
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return nil, badRequest{fmt.Errorf("version is %q: give a number", text)}
	}
	return a.Get(r.Context(), tenant, group, n)
}

func read(r *http.Request) (q request, err error) {
	// A page of a stranger in a browser can send anything but this without asking first.
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		return q, badRequest{errors.New("send the body as application/json")}
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, 2*MaxBytes))
	if err == nil && !utf8.Valid(body) {
		err = errors.New("it is not UTF-8")
	}
	if err == nil { // a key that is misspelt would be a time to soak, or a version, that nobody meant
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.DisallowUnknownFields()
		if err = decoder.Decode(&q); err == nil {
			if _, behind := decoder.Token(); !errors.Is(behind, io.EOF) {
				err = errors.New("there is more behind the object")
			}
		}
	}
	if err != nil {
		return q, badRequest{fmt.Errorf("the body cannot be read: %w", err)}
	}
	return q, nil
}

func (a *API) set(r *http.Request, tenant, group string) (any, error) {
	q, err := read(r)
	if err != nil {
		return nil, err
	}
	c := Change{Tenant: tenant, Group: group, YAML: q.YAML, By: q.By, Reason: q.Reason, From: q.From, Trial: 5 * time.Minute}
	for text, into := range map[string]*time.Duration{q.Soak: &c.Soak, q.Trial: &c.Trial} {
		if text == "" {
			continue
		}
		if *into, err = time.ParseDuration(text); err != nil {
			return nil, badRequest{err}
		}
	}
	made, err := a.Set(r.Context(), c)
	var conflict *Conflict
	var faults configfile.Faults
	if err != nil && !errors.As(err, &conflict) && !errors.As(err, &faults) && r.Context().Err() == nil && (q.By == "" || q.Reason == "" || c.Soak < 0 || c.Trial < 10*time.Second) {
		err = badRequest{err}
	}
	return made, err
}

func (a *API) roll(r *http.Request, tenant, group string) (any, error) {
	q, err := read(r)
	switch {
	case err != nil:
		return nil, err
	case q.By == "":
		return nil, badRequest{errors.New("say who does it: by")}
	case q.Action == "go":
		return a.Go(r.Context(), tenant, group, q.By)
	case q.Action == "stop":
		return a.Stop(r.Context(), tenant, group, q.By, q.Reason)
	}
	return nil, badRequest{fmt.Errorf("action is %q: go or stop", q.Action)}
}

func (a *API) fail(w http.ResponseWriter, r *http.Request, status int, err error) {
	p := problem{Title: http.StatusText(status), Status: status, Detail: err.Error()}
	var conflict *Conflict
	if errors.As(err, &conflict) {
		p.Newest = &conflict.Newest
	}
	var faults configfile.Faults
	if errors.As(err, &faults) {
		for _, f := range faults {
			p.Faults = append(p.Faults, map[string]any{"line": f.Line, "key": f.Key, "text": f.Text})
		}
	}
	if status == http.StatusInternalServerError {
		a.Log.Error("answer a request about configurations", "path", r.URL.Path, "err", err)
		p.Detail = "The collector could not do it; its log says why."
	}
	send(w, status, "application/problem+json", p)
}

func send(w http.ResponseWriter, status int, kind string, v any) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // who hung up does not want it
}
