package ingest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// keepMachine notes which machine says Hello, and which epoch it writes.
func (i *Ingest) keepMachine(ctx context.Context, tx *db.Tx, site siteKey, m *docklinev1.Machine, epoch string) error {
	if m.GetFingerprint() == "" {
		return nil // an agent of an older version
	}
	now := i.c.Now().UnixMicro()
	return tx.Upsert(ctx, db.Insert{Table: "site_machine", Columns: []string{"tenant", "site", "fingerprint", "host", "folder", "epoch", "first_at", "seen_at"},
		Rows:     [][]any{{site.tenant, site.site, clip(m.GetFingerprint()), clip(m.GetHost()), clip(m.GetFolder()), epoch, now, now}},
		Conflict: []string{"tenant", "site", "fingerprint"}, Update: []string{"host", "folder", "epoch", "seen_at"}})
}

// clip bounds what a site says of itself. No database takes half a character, and PostgreSQL no zero character: a Hello with one would never be answered.
func clip(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text[:min(len(text), 200)], ""), "\x00", "")
}

// nameMachines says which machines wrote the two epochs of a fork, and when each last spoke; "" where they have not said.
func nameMachines(ctx context.Context, tx *db.Tx, site siteKey, f *fork) error {
	rows, err := tx.Query(ctx, `SELECT fingerprint, host, folder, seen_at FROM site_machine WHERE tenant = ? AND site = ? AND epoch IN (?, ?) ORDER BY seen_at DESC, fingerprint`,
		site.tenant, site.site, f.epoch, f.other)
	if err != nil {
		return err
	}
	defer rows.Close()
	f.machines = ""
	for rows.Next() {
		var fingerprint, host, folder string
		var seen int64
		if err := rows.Scan(&fingerprint, &host, &folder, &seen); err != nil {
			return err
		}
		word := "Last spoke "
		if f.machines != "" {
			word = ", before it "
		}
		f.machines += fmt.Sprintf("%s%s (folder %s, machine %.8s, at %s)", word, host, folder, fingerprint, time.UnixMicro(seen).UTC().Format("2006-01-02 15:04:05 MST"))
	}
	if f.machines != "" {
		f.machines += ". "
	}
	return rows.Err()
}
