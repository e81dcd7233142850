package api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// Once has each request that changes something done once, by its Idempotency-Key (IETF draft-ietf-httpapi-idempotency-key-header): without a key the
// answer is 400; while the first is under way 409; for the same key with another request 422; and afterwards the first answer is given again, with
// Idempotent-Replayed: true. A request that ended with 5xx, or with its collector, may be sent again under its key.
type Once struct {
	DB *db.DB
	// Keep is how long an answer is kept (24 h), Hold how long a request may be under way before its collector counts as gone (2 min), MaxBody
	// how many bytes a request may have (1 MiB). 0 stands for these.
	Keep, Hold time.Duration
	MaxBody    int64
	// Now may be nil. Log may be nil.
	Now func() time.Time
	Log *slog.Logger
}

const (
	// KeyHeader names a request of a client; the same for every attempt at it.
	KeyHeader = "Idempotency-Key"
	// ReplayedHeader says that an answer was given before.
	ReplayedHeader = "Idempotent-Replayed"
	longestKey     = 255
)

// kept is a request as the table has it.
type kept struct {
	tenant, hash, holder, kind string
	status                     int
	answer                     []byte
	began                      time.Time
}

// Wrap lets next do each request once. Requests that only read go through.
func (o *Once) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		if problem := o.serve(w, r, next); problem != nil {
			write(w, problem)
		}
	})
}

func (o *Once) serve(w http.ResponseWriter, r *http.Request, next http.Handler) *Problem {
	key := r.Header.Get(KeyHeader)
	if key == "" || len(key) > longestKey {
		return &Problem{Status: http.StatusBadRequest, Detail: fmt.Sprintf("Send %s with a name of your own for this request, at most %d characters, the same for every attempt at it.", KeyHeader, longestKey)}
	}
	limit := cmp.Or(o.MaxBody, 1<<20)
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	switch {
	case err != nil:
		return &Problem{Status: http.StatusBadRequest, Detail: "The request broke off; send it again under the same key."}
	case int64(len(body)) > limit:
		return &Problem{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("A request has at most %d bytes.", limit)}
	}
	sum := sha256.Sum256(append([]byte(r.Header.Get("Content-Type")+"\n"), body...))
	scope, mine := r.Method+" "+r.URL.RequestURI(), kept{tenant: r.URL.Query().Get("tenant"), hash: hex.EncodeToString(sum[:]), holder: rand.Text(), began: o.now()}
	had, err := o.begin(r.Context(), scope, key, mine)
	if err != nil {
		return o.failed("begin a request", err)
	}
	if had != nil {
		return o.again(w, had, mine.hash)
	}
	a := &answer{header: make(http.Header), status: http.StatusOK}
	done := false
	defer func() {
		if !done { // the handler panicked: whoever asks again begins anew
			_ = o.end(context.WithoutCancel(r.Context()), scope, key, mine.holder, &answer{status: http.StatusInternalServerError})
		}
	}()
	r.Body = io.NopCloser(bytes.NewReader(body))
	next.ServeHTTP(a, r)
	done = true
	// Who hung up meanwhile asks again, and is to get this answer.
	if err := o.end(context.WithoutCancel(r.Context()), scope, key, mine.holder, a); err != nil {
		return o.failed("keep an answer", err)
	}
	a.give(w)
	return nil
}

// again is the answer to a request that was sent before.
func (o *Once) again(w http.ResponseWriter, had *kept, hash string) *Problem {
	switch {
	case had.hash != hash:
		return &Problem{Status: http.StatusUnprocessableEntity, Detail: fmt.Sprintf("This %s was used for another request; take a new one for a new request.", KeyHeader)}
	case had.status == 0:
		w.Header().Set("Retry-After", strconv.Itoa(1))
		return &Problem{Status: http.StatusConflict, Detail: "This request is under way; ask again under the same key for its answer."}
	}
	w.Header().Set(ReplayedHeader, "true")
	w.Header().Set("Content-Type", had.kind)
	w.WriteHeader(had.status)
	_, _ = w.Write(had.answer) // who hung up does not want it
	return nil
}

// begin notes that a request is under way. It returns the one that was there before, nil for none.
func (o *Once) begin(ctx context.Context, scope, key string, mine kept) (had *kept, err error) {
	now := o.now()
	err = o.DB.Write(ctx, func(tx *db.Tx) error {
		had = nil
		if err := tx.Lock(ctx, "api/"+key); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM api_request WHERE began_at < ?`, now.Add(-cmp.Or(o.Keep, 24*time.Hour)).UnixMicro()); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT body_hash, status, content_type, answer, began_at FROM api_request WHERE scope = ? AND request_key = ?`, scope, key)
		if err != nil {
			return err
		}
		defer rows.Close()
		if rows.Next() {
			had = &kept{}
			var began int64
			if err := rows.Scan(&had.hash, &had.status, &had.kind, &had.answer, &began); err != nil {
				return err
			}
			had.began = time.UnixMicro(began)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		rows.Close()
		if had != nil && (had.status != 0 || had.hash != mine.hash || now.Sub(had.began) < cmp.Or(o.Hold, 2*time.Minute)) {
			return nil
		}
		had = nil // none, or its collector is gone
		return tx.Upsert(ctx, db.Insert{Table: "api_request", Columns: []string{"tenant", "scope", "request_key", "body_hash", "holder", "status", "content_type", "answer", "began_at"},
			Conflict: []string{"scope", "request_key"}, Update: []string{"body_hash", "holder", "status", "content_type", "answer", "began_at"},
			Rows: [][]any{{mine.tenant, scope, key, mine.hash, mine.holder, int64(0), "", []byte{}, now.UnixMicro()}}})
	})
	return had, err
}

// end keeps an answer, or forgets a request that failed here. One that another has taken over meanwhile is left to it.
func (o *Once) end(ctx context.Context, scope, key, holder string, a *answer) error {
	return o.DB.Write(ctx, func(tx *db.Tx) error {
		if a.status >= http.StatusInternalServerError {
			_, err := tx.Exec(ctx, `DELETE FROM api_request WHERE scope = ? AND request_key = ? AND holder = ?`, scope, key, holder)
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE api_request SET status = ?, content_type = ?, answer = ? WHERE scope = ? AND request_key = ? AND holder = ?`,
			a.status, a.header.Get("Content-Type"), a.body.Bytes(), scope, key, holder)
		return err
	})
}

func (o *Once) failed(what string, err error) *Problem {
	if o.Log != nil {
		o.Log.Error(what, "err", err)
	}
	return &Problem{Status: http.StatusInternalServerError, Detail: "The collector could not use its database; its log says why. Send the request again under the same key."}
}

func (o *Once) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}

// answer is what a handler says, held until it is kept.
type answer struct {
	header http.Header
	status int
	wrote  bool
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if !a.wrote {
		a.status, a.wrote = status, true
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.wrote = true
	return a.body.Write(p)
}

func (a *answer) give(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes()) // who hung up asks again
}
