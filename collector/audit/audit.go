// Package audit keeps what people did: one row an act, appended in the transaction that did it, each bound to the one before by a hash.
package audit

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// Act is something that a person did and that changed something.
type Act struct {
	Tenant string
	// By is who did it.
	By string
	// Action is "object.verb": "posting.retry". Object is the key of what it was done to.
	Action, Object string
	Reason         string
	// Detail is kept as JSON; nil is none.
	Detail any
}

// Everywhere is the tenant of acts that concern all of them: another authority, a database that was put back.
const Everywhere = "*"

// Entry is an act as it is kept.
type Entry struct {
	// N counts the acts of a tenant from 1, without a gap.
	N      int64           `json:"n"`
	Tenant string          `json:"tenant"`
	At     time.Time       `json:"at"`
	By     string          `json:"by"`
	Action string          `json:"action"`
	Object string          `json:"object"`
	Reason string          `json:"reason,omitempty"`
	Detail json.RawMessage `json:"detail,omitempty"`
	// Hash is hex SHA-256 over the hash before it (empty for the first) and the fields above; see chain.
	Hash string `json:"hash"`
}

// Record appends an act in the caller's transaction: what is rolled back was not done. It holds the tenant's chain until the transaction
// ends, so it is best called last.
func Record(ctx context.Context, tx *db.Tx, a Act, now time.Time) error {
	if a.Tenant == "" || a.By == "" || a.Action == "" {
		return fmt.Errorf("audit: an act needs a tenant, a person and an action: %+v", a)
	}
	e := Entry{Tenant: a.Tenant, At: now.UTC().Truncate(time.Microsecond), By: storable(a.By), Action: a.Action, Object: storable(a.Object), Reason: storable(a.Reason)}
	if a.Detail != nil {
		detail, err := json.Marshal(a.Detail)
		if err != nil {
			return fmt.Errorf("audit of %s: %w", a.Action, err)
		}
		e.Detail = detail
	}
	if err := tx.Lock(ctx, "audit/"+a.Tenant); err != nil {
		return err
	}
	n, before, err := head(ctx, tx, a.Tenant)
	if err != nil {
		return err
	}
	e.N = n + 1
	e.Hash = e.chain(before)
	if err := tx.InsertAll(ctx, db.Insert{Table: "audit", Columns: columns,
		Rows: [][]any{{e.Tenant, e.N, e.At.UnixMicro(), e.By, e.Action, e.Object, e.Reason, string(e.Detail), e.Hash}}}); err != nil {
		return err
	}
	return tx.Upsert(ctx, db.Insert{Table: "audit_head", Columns: []string{"tenant", "n", "hash"}, Conflict: []string{"tenant"}, Update: []string{"n", "hash"},
		Rows: [][]any{{e.Tenant, e.N, e.Hash}}})
}

var columns = []string{"tenant", "n", "at", "person", "action", "object", "reason", "detail", "hash"}

// head is the number and hash of a tenant's newest act, 0 and "" before the first.
func head(ctx context.Context, tx *db.Tx, tenant string) (n int64, hash string, err error) {
	err = tx.QueryRow(ctx, `SELECT n, hash FROM audit_head WHERE tenant = ?`, tenant).Scan(&n, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, "", nil
	}
	if err != nil {
		return 0, "", fmt.Errorf("audit of %s: %w", tenant, err)
	}
	return n, hash, nil
}

// chain is the hash of an entry behind another: over all fields, each with its length before it as 8 bytes, big-endian.
func (e *Entry) chain(before string) string {
	h := sha256.New()
	add := func(text string) {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(text)))
		h.Write(size[:])
		h.Write([]byte(text))
	}
	for _, text := range []string{before, e.Tenant, fmt.Sprint(e.N), fmt.Sprint(e.At.UnixMicro()), e.By, e.Action, e.Object, e.Reason, string(e.Detail)} {
		add(text)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// storable takes out what no database keeps.
func storable(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "\ufffd")
}
