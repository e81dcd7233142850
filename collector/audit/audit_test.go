package audit_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/testenv"
)

const tenant = "acme"

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func record(t *testing.T, d *db.DB, object string, detail any) {
	t.Helper()
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		return audit.Record(t.Context(), tx, audit.Act{Tenant: tenant, By: "ines", Action: "posting.retry", Object: object, Reason: "the item is mapped\x00 now", Detail: detail}, noon)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func verify(t *testing.T, d *db.DB, anchors ...audit.Anchor) (audit.Anchor, error) {
	t.Helper()
	var end audit.Anchor
	err := d.Read(t.Context(), func(tx *db.Tx) (err error) {
		end, err = audit.Verify(t.Context(), tx, tenant, anchors...)
		return err
	})
	return end, err
}

func exec(t *testing.T, d *db.DB, query string, args ...any) {
	t.Helper()
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		n, err := tx.Exec(t.Context(), query, args...)
		if err == nil && n == 0 {
			return fmt.Errorf("%s changed nothing", query)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Shows: S68
func TestASpoiledAuditIsFound(t *testing.T) {
	spoil := map[string]struct {
		spoil func(t *testing.T, d *db.DB)
		want  string
	}{
		"a reason is changed": {func(t *testing.T, d *db.DB) { exec(t, d, `UPDATE audit SET reason = 'none' WHERE n = 3`) }, "act 3 of"},
		"a person is changed": {func(t *testing.T, d *db.DB) { exec(t, d, `UPDATE audit SET person = 'somebody' WHERE n = 5`) }, "act 5 of"},
		"a detail is changed": {func(t *testing.T, d *db.DB) { exec(t, d, `UPDATE audit SET detail = '{}' WHERE n = 2`) }, "act 2 of"},
		"a row is taken out":  {func(t *testing.T, d *db.DB) { exec(t, d, `DELETE FROM audit WHERE n = 2`) }, "act 2 of"},
		"two change places": {func(t *testing.T, d *db.DB) {
			exec(t, d, `UPDATE audit SET n = 99 WHERE n = 2`)
			exec(t, d, `UPDATE audit SET n = 2 WHERE n = 3`)
			exec(t, d, `UPDATE audit SET n = 3 WHERE n = 99`)
		}, "act 2 of"},
		"the end is cut off":  {func(t *testing.T, d *db.DB) { exec(t, d, `DELETE FROM audit WHERE n >= 4`) }, "act 4 of"},
		"all is deleted":      {func(t *testing.T, d *db.DB) { exec(t, d, `DELETE FROM audit`) }, "act 1 of"},
		"the count is lost":   {func(t *testing.T, d *db.DB) { exec(t, d, `DELETE FROM audit_head`) }, "act 1 was not recorded"},
		"the count goes back": {func(t *testing.T, d *db.DB) { exec(t, d, `UPDATE audit_head SET n = 4`) }, "act 5 was not recorded"},
	}
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		for name, c := range spoil {
			clear(t, d)
			for i := range 5 {
				record(t, d, fmt.Sprintf("erp/goods_issue/%d", i), map[string]int{"i": i})
			}
			if end, err := verify(t, d); err != nil || end.N != 5 || len(end.Hash) != 64 {
				t.Fatalf("before: %+v, %v", end, err)
			}
			c.spoil(t, d)
			if _, err := verify(t, d); !errors.Is(err, audit.ErrBroken) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func clear(t *testing.T, d *db.DB) {
	t.Helper()
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		_, err1 := tx.Exec(t.Context(), `DELETE FROM audit`)
		_, err2 := tx.Exec(t.Context(), `DELETE FROM audit_head`)
		return errors.Join(err1, err2)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Who can write to the database can also make every hash anew, and the count. What somebody wrote down elsewhere he cannot.
func TestAnAnchorElsewhereFindsAChainMadeAnew(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		for i := range 3 {
			record(t, d, fmt.Sprint(i), nil)
		}
		anchor, err := verify(t, d)
		if err != nil {
			t.Fatal(err)
		}
		clear(t, d)
		if _, err := verify(t, d, anchor); !errors.Is(err, audit.ErrBroken) || !strings.Contains(err.Error(), "there were 3") {
			t.Errorf("all gone: %v", err)
		}
		for i := range 4 {
			record(t, d, fmt.Sprint("another ", i), nil)
		}
		if _, err := verify(t, d); err != nil {
			t.Errorf("without the anchor: %v", err)
		}
		if _, err := verify(t, d, anchor); !errors.Is(err, audit.ErrBroken) || !strings.Contains(err.Error(), "act 3 of") {
			t.Errorf("made anew: %v", err)
		}
	})
}

func TestActsThatHappenAtOnceAreOneChain(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for j := range 5 {
					err := d.Write(t.Context(), func(tx *db.Tx) error {
						return audit.Record(t.Context(), tx, audit.Act{Tenant: tenant, By: fmt.Sprint("p", i), Action: "exception.act", Object: fmt.Sprint(j)}, noon)
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if end, err := verify(t, d); err != nil || end.N != 40 {
			t.Errorf("%+v, %v", end, err)
		}
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			found, err := audit.List(t.Context(), tx, tenant, audit.Filter{By: "p3", Action: "exception.act", Since: noon, Until: noon.Add(time.Second)})
			if len(found) != 5 || found[0].N < found[4].N || found[0].Detail != nil {
				t.Errorf("acts of p3: %+v", found)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}
