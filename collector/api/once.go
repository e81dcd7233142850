package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// once has each request that changes something done once, by its Idempotency-Key (IETF draft-ietf-httpapi-idempotency-key-header): while the first is
// under way the answer is 409, for the same key with another body 422, and afterwards the first answer is given again. The answer is kept in the
// transaction that does the work, so that a collector that dies leaves both or none. A request that was refused may be corrected and sent again under
// its key.
type once struct {
	db *db.DB
	// process names this run of the collector among its members: what another run that has ended left under way is done anew at once. "" is none.
	process string
	now     func() time.Time
}

const (
	// KeyHeader names a request of a client; the same for every attempt at it.
	KeyHeader = "Idempotency-Key"
	// ReplayedHeader says that an answer was given before.
	ReplayedHeader = "Idempotent-Replayed"
	longestKey     = 255
	// keepAnswers is how long an answer is kept, holdRequest how long a request may be under way before its collector counts as gone.
	keepAnswers = 24 * time.Hour
	holdRequest = 2 * time.Minute
)

// attempt is one try at a request.
type attempt struct {
	tenant, scope, key, hash, holder string
}

func newAttempt(r *http.Request, tenant string, body []byte) (attempt, error) {
	key := r.Header.Get(KeyHeader)
	if key == "" || len(key) > longestKey || !isText(key) {
		return attempt{}, bad("Send %s with a name of your own for this request, at most %d bytes of UTF-8, the same for every attempt at it.", KeyHeader, longestKey)
	}
	sum := sha256.Sum256(body)
	return attempt{tenant, r.Method + " " + r.URL.Path, key, hex.EncodeToString(sum[:]), rand.Text()}, nil
}

// kept is a request as the table has it.
type kept struct {
	hash, process, location string
	status                  int
	answer                  []byte
	began                   time.Time
}

// begin notes that a request is under way. It returns the answer that was given before, nil for none.
func (o *once) begin(ctx context.Context, a attempt) (had *kept, err error) {
	now := o.now()
	err = o.db.Write(ctx, func(tx *db.Tx) (err error) {
		if err := tx.Lock(ctx, "api/"+a.tenant+"/"+a.key); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM api_request WHERE began_at < ?`, now.Add(-keepAnswers).UnixMicro()); err != nil {
			return err
		}
		if had, err = a.find(ctx, tx); err != nil {
			return err
		}
		if had != nil {
			gone, err := o.gone(ctx, tx, had, now)
			if err != nil || !gone {
				return err
			}
			had = nil
		}
		return tx.Upsert(ctx, db.Insert{Table: "api_request", Columns: []string{"tenant", "scope", "request_key", "body_hash", "holder", "process", "status", "location", "answer", "began_at"},
			Conflict: []string{"tenant", "scope", "request_key"}, Update: []string{"body_hash", "holder", "process", "status", "location", "answer", "began_at"},
			Rows: [][]any{{a.tenant, a.scope, a.key, a.hash, a.holder, o.process, int64(0), "", []byte{}, now.UnixMicro()}}})
	})
	switch {
	case err != nil || had == nil:
		return nil, err
	case had.hash != a.hash:
		return nil, &Problem{Status: http.StatusUnprocessableEntity, Detail: fmt.Sprintf("This %s was used for another request; take a new one for a new request.", KeyHeader)}
	case had.status == 0:
		return nil, &Problem{Status: http.StatusConflict, Detail: "This request is under way; send it again under the same key for its answer.", retryAfter: 1}
	}
	return had, nil
}

func (a attempt) find(ctx context.Context, tx *db.Tx) (*kept, error) {
	rows, err := tx.Query(ctx, `SELECT body_hash, process, location, status, answer, began_at FROM api_request WHERE tenant = ? AND scope = ? AND request_key = ?`, a.tenant, a.scope, a.key)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	if !rows.Next() {
		return nil, rows.Err()
	}
	var had kept
	var began int64
	if err := rows.Scan(&had.hash, &had.process, &had.location, &had.status, &had.answer, &began); err != nil {
		return nil, err
	}
	had.began = time.UnixMicro(began)
	return &had, errors.Join(rows.Err(), rows.Close())
}

// gone tells whether a request is under way for longer than one can be, or in a run of a collector that has ended.
func (o *once) gone(ctx context.Context, tx *db.Tx, had *kept, now time.Time) (bool, error) {
	if had.status != 0 || now.Sub(had.began) >= holdRequest {
		return had.status == 0, nil
	}
	if had.process == "" || had.process == o.process {
		return false, nil
	}
	clock, err := tx.Now(ctx)
	if err != nil {
		return false, err
	}
	var running int64
	err = tx.QueryRow(ctx, `SELECT count(*) FROM member WHERE process = ? AND until_at > ?`, had.process, clock.UnixMicro()).Scan(&running)
	return running == 0, err
}

// end keeps the answer, in the transaction that does the work. Where another attempt has taken the request over meanwhile it is an error, and what this
// one did is rolled back.
func (o *once) end(ctx context.Context, tx *db.Tx, a attempt, status int, location string, answer []byte) error {
	n, err := tx.Exec(ctx, `UPDATE api_request SET status = ?, location = ?, answer = ? WHERE tenant = ? AND scope = ? AND request_key = ? AND holder = ?`,
		int64(status), location, answer, a.tenant, a.scope, a.key, a.holder)
	if err == nil && n == 0 {
		err = &Problem{Status: http.StatusConflict, Detail: "This request was taken over by a later attempt; send it again under the same key for its answer.", retryAfter: 1}
	}
	return err
}

// forget lets a request that was not done be sent again under its key.
func (o *once) forget(ctx context.Context, a attempt) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return o.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM api_request WHERE tenant = ? AND scope = ? AND request_key = ? AND holder = ? AND status = 0`, a.tenant, a.scope, a.key, a.holder)
		return err
	})
}

// again is the answer that was given before.
func (k *kept) again(w http.ResponseWriter) {
	w.Header().Set(ReplayedHeader, "true")
	if k.location != "" {
		w.Header().Set("Location", k.location)
	}
	send(w, cmp.Or(k.status, http.StatusOK), "application/json", k.answer)
}
