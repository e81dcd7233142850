package retention

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// State is how far an archive is.
type State string

const (
	// Writing: its file or its manifest is not whole yet. Whoever archives next takes it up, or gives it up.
	Writing State = "writing"
	// Written: file and manifest are whole and synced; what they hold is being deleted.
	Written State = "written"
	// Pruned: what it holds is deleted, but for groups that changed meanwhile.
	Pruned State = "pruned"
	// Left: it was given up before it was whole, or before anything of it was deleted.
	Left State = "left"
	// Other: a database that was lost had written it, or another one, and it was put back from here. It is no link of this database's chain.
	Other State = "other"
)

// Archive is one as the database knows it.
type Archive struct {
	Number int64  `json:"number"`
	Tenant string `json:"tenant"`
	State  State  `json:"state"`
	// Manifest is its path below the tenant's folder.
	Manifest string `json:"manifest"`
	SHA256   string `json:"sha256"`
	Previous int64  `json:"previous"`
	Groups   int64  `json:"groups"`
	Events   int64  `json:"events"`
	Bytes    int64  `json:"bytes"`
	// Pruned groups are deleted, Skipped ones changed while they were written and stay; Restored were put back since.
	Pruned    int64     `json:"pruned"`
	Skipped   int64     `json:"skipped"`
	Restored  int64     `json:"restored"`
	FirstAt   time.Time `json:"first_at"`
	LastAt    time.Time `json:"last_at"`
	By        string    `json:"by"`
	Reason    string    `json:"reason,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	ChangedAt time.Time `json:"changed_at"`
}

// ErrAbsent: there is no such archive, or nothing of that name is in one.
var ErrAbsent = errors.New("not in an archive")

const archiveColumns = `number, tenant, state, manifest, sha256, previous, groups, events, bytes, pruned, skipped, restored, first_at, last_at, person, reason, created_at, changed_at`

func (a *Archive) insert(ctx context.Context, tx *db.Tx) error {
	return tx.InsertAll(ctx, db.Insert{Table: "archive", Columns: []string{"number", "tenant", "state", "manifest", "previous", "first_at", "last_at", "person", "reason", "created_at", "changed_at"},
		Rows: [][]any{{a.Number, a.Tenant, string(a.State), a.Manifest, a.Previous, a.FirstAt.UnixMicro(), a.LastAt.UnixMicro(), a.By, a.Reason, a.CreatedAt.UnixMicro(), a.ChangedAt.UnixMicro()}}})
}

// save leaves out what was put back, which others count meanwhile.
func (a *Archive) save(ctx context.Context, tx *db.Tx) error {
	_, err := tx.Exec(ctx, `UPDATE archive SET state = ?, sha256 = ?, groups = ?, events = ?, bytes = ?, pruned = ?, skipped = ?, changed_at = ? WHERE number = ?`,
		string(a.State), a.SHA256, a.Groups, a.Events, a.Bytes, a.Pruned, a.Skipped, a.ChangedAt.UnixMicro(), a.Number)
	return err
}

func list(ctx context.Context, tx *db.Tx, where string, args ...any) (found []*Archive, err error) {
	rows, err := tx.Query(ctx, `SELECT `+archiveColumns+` FROM archive WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("archives: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		a := &Archive{}
		var times [4]int64
		var s string
		if err := rows.Scan(&a.Number, &a.Tenant, &s, &a.Manifest, &a.SHA256, &a.Previous, &a.Groups, &a.Events, &a.Bytes, &a.Pruned, &a.Skipped, &a.Restored,
			&times[0], &times[1], &a.By, &a.Reason, &times[2], &times[3]); err != nil {
			return nil, err
		}
		a.State = State(s)
		for i, to := range []*time.Time{&a.FirstAt, &a.LastAt, &a.CreatedAt, &a.ChangedAt} {
			*to = time.UnixMicro(times[i]).UTC()
		}
		found = append(found, a)
	}
	return found, rows.Err()
}

// newest is the last archive of a tenant's chain, nil where there is none.
func newest(ctx context.Context, tx *db.Tx, tenant string) (*Archive, error) {
	found, err := list(ctx, tx, `tenant = ? AND state IN ('written', 'pruned') ORDER BY number DESC LIMIT 1`, tenant)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// List is the archives of a tenant, the newest first.
func List(ctx context.Context, tx *db.Tx, tenant string, limit int) ([]*Archive, error) {
	return list(ctx, tx, `tenant = ? ORDER BY number DESC LIMIT ?`, tenant, limit)
}

// Get is one archive of a tenant, or ErrAbsent.
func Get(ctx context.Context, tx *db.Tx, tenant string, number int64) (*Archive, error) {
	found, err := list(ctx, tx, `tenant = ? AND number = ?`, tenant, number)
	if err == nil && len(found) == 0 {
		return nil, fmt.Errorf("archive %d of tenant %s: %w", number, tenant, ErrAbsent)
	}
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

// Place says where an archived key is, and what it was.
type Place struct {
	Key      string    `json:"key"`
	Archive  int64     `json:"archive"`
	Part     int64     `json:"part"`
	Manifest string    `json:"manifest"`
	Status   string    `json:"status"`
	Site     string    `json:"site,omitempty"`
	Customer string    `json:"customer,omitempty"`
	Hash     string    `json:"hash"`
	Events   int64     `json:"events"`
	FirstAt  time.Time `json:"first_at"`
	LastAt   time.Time `json:"last_at"`
	At       time.Time `json:"archived_at"`
}

// Where says where an archived key is, or ErrAbsent.
func Where(ctx context.Context, tx *db.Tx, tenant, key string) (*Place, error) {
	p := &Place{Key: key}
	var first, last, at int64
	err := tx.QueryRow(ctx, `SELECT k.archive, k.part, a.manifest, k.status, k.site, k.customer, k.hash, k.events, k.first_at, k.last_at, k.archived_at FROM archive_key k JOIN archive a ON a.number = k.archive
		WHERE k.tenant = ? AND k.fold_key = ?`, tenant, key).Scan(&p.Archive, &p.Part, &p.Manifest, &p.Status, &p.Site, &p.Customer, &p.Hash, &p.Events, &first, &last, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("%s of tenant %s: %w", key, tenant, ErrAbsent)
	}
	if err != nil {
		return nil, err
	}
	p.FirstAt, p.LastAt, p.At = time.UnixMicro(first).UTC(), time.UnixMicro(last).UTC(), time.UnixMicro(at).UTC()
	return p, nil
}

// Note is what is said of a key that is not in the database: where it is archived, or nothing.
func Note(ctx context.Context, tx *db.Tx, tenant, key string) string {
	at, err := Where(ctx, tx, tenant, key)
	if err != nil {
		return ""
	}
	was := ""
	if at.Status != "" {
		was = "it was " + at.Status + ", and "
	}
	return fmt.Sprintf(" any more: %sis in archive %d (%s) since %s. `dockline-collector retention restore --tenant %s --key %s` puts it back", was, at.Archive, at.Manifest,
		at.At.Format("2006-01-02"), tenant, key)
}

var digits = regexp.MustCompile(`[0-9]+`)

// plain takes numbers out of a reason, so that reasons can be counted.
func plain(why string) string { return digits.ReplaceAllString(why, "n") }
