package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Refusal is an answer that is no success: {"error": {"code": ..., "message": ...}}.
type Refusal struct {
	Status  int    `json:"-"`
	Code    string `json:"code"`
	Message string `json:"message"`
	// Detail is what a program may read of it.
	Detail map[string]string `json:"detail,omitempty"`
}

func (r *Refusal) Error() string { return r.Code + ": " + r.Message }

// Refuse makes a Refusal.
func Refuse(status int, code, format string, args ...any) *Refusal {
	return &Refusal{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Write answers with JSON.
func Write(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":{"code":"internal","message":"answer not encodable"}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that has gone is no concern of the sandbox
}

// WriteError answers with a Refusal's body.
func WriteError(w http.ResponseWriter, status int, code, message string) {
	Write(w, status, map[string]*Refusal{"error": {Code: code, Message: message}})
}

// Page reads the whole numbers "after" (0) and "limit" (100, at most 1000) of a query, and cuts that window out of all.
func Page[T any](r *http.Request, all []T) (window []T, next int, more bool) {
	after := max(0, number(r, "after", 0))
	limit := min(max(1, number(r, "limit", 100)), 1000)
	from := min(after, len(all))
	to := min(from+limit, len(all))
	return all[from:to], to, to < len(all)
}

// WritePage answers with one window of a list: {"items": [...], "next": 100, "more": true}.
func WritePage[T any](w http.ResponseWriter, r *http.Request, all []T) {
	window, next, more := Page(r, all)
	Write(w, http.StatusOK, map[string]any{"items": append([]T{}, window...), "next": next, "more": more})
}

// Matches says whether value is what the query asks for under name; a query without the name asks for nothing.
func Matches(r *http.Request, name, value string) bool {
	query := r.URL.Query()
	return !query.Has(name) || query.Get(name) == value
}

// Since says whether a time is not before the one that the query names under "since"; a query without it, or without a time, asks for all.
func Since(r *http.Request, at time.Time) bool {
	since, err := time.Parse(time.RFC3339Nano, r.URL.Query().Get("since"))
	return err != nil || !at.Before(since)
}

func number(r *http.Request, name string, otherwise int) int {
	n, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil {
		return otherwise
	}
	return n
}

// Control adds GET and PUT /control/faults, the sandbox's switch for failures.
func Control(mux *http.ServeMux, i *Injector) {
	mux.HandleFunc("GET /control/faults", func(w http.ResponseWriter, r *http.Request) {
		Write(w, http.StatusOK, map[string]any{"faults": i.Faults(), "counts": i.Counts()})
	})
	mux.HandleFunc("PUT /control/faults", func(w http.ResponseWriter, r *http.Request) {
		var f Faults
		if err := json.NewDecoder(r.Body).Decode(&f); err != nil {
			WriteError(w, http.StatusBadRequest, "bad_request", err.Error())
			return
		}
		i.Set(f)
		Write(w, http.StatusOK, f)
	})
}
