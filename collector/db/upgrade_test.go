package db

import (
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/pressly/goose/v3"
)

// What an older version has written is there after its tables were made anew.
func TestTablesMadeAnewKeepTheirRows(t *testing.T) {
	ctx := t.Context()
	d, err := Open(ctx, "sqlite:"+filepath.Join(t.TempDir(), "old.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	folder, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, d.pool, rendered{folder, d.types()}, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(ctx, 71); err != nil {
		t.Fatal(err)
	}
	exec := func(query string) {
		t.Helper()
		if err := d.Write(ctx, func(tx *Tx) error { _, err := tx.Exec(ctx, query); return err }); err != nil {
			t.Fatal(err)
		}
	}
	exec(`INSERT INTO event_identity (tenant, id, body_hash, log_id, epoch_ordinal, seq) VALUES ('b', 'x', x'01', 7, 2, 3), ('a', 'x', x'02', 8, 0, 0)`)
	if err := d.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	var n int64
	err = d.Read(ctx, func(tx *Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*) FROM event_identity WHERE tenant = 'b' AND id = 'x' AND body_hash = x'01' AND log_id = 7 AND epoch_ordinal = 2 AND seq = 3
			OR tenant = 'a' AND id = 'x' AND body_hash = x'02' AND log_id = 8`).Scan(&n)
	})
	if err != nil || n != 2 {
		t.Fatalf("%d rows are there, %v", n, err)
	}
}
