package db

import (
	"fmt"
	"path/filepath"
	"testing"
)

// However many shapes of statements there are, a session keeps some, and all of them work.
func TestSessionKeepsSomeStatements(t *testing.T) {
	d, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "d.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for range 2 {
		err := d.Write(t.Context(), func(tx *Tx) error {
			for n := range 2 * maxStatements {
				var got int
				if err := tx.QueryRow(t.Context(), fmt.Sprintf("SELECT ? + %d", n), 1).Scan(&got); err != nil {
					return err
				}
				if got != n+1 || len(tx.s.stmts) > maxStatements || tx.s.stmts[fmt.Sprintf("SELECT ? + %d", n)] == nil {
					return fmt.Errorf("%d is %d, with %d statements kept", n+1, got, len(tx.s.stmts))
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
