package people_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/testenv"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func change(by string) people.Change { return people.Change{Tenant: "acme", By: by, Now: noon} }

func do(t *testing.T, d *db.DB, f func(tx *db.Tx) error) error {
	t.Helper()
	return d.Write(t.Context(), f)
}

func must(t *testing.T, d *db.DB, f func(tx *db.Tx) error) {
	t.Helper()
	if err := do(t, d, f); err != nil {
		t.Fatal(err)
	}
}

// Shows: S68
func TestWhoMayDoWhat(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		allow := func(by, scope string) error {
			return do(t, d, func(tx *db.Tx) error { return people.Allow(ctx, tx, "acme", by, scope) })
		}
		if err := allow("anybody", people.PostingAct); err != nil {
			t.Errorf("without users: %v", err)
		}
		must(t, d, func(tx *db.Tx) error {
			return change("root").Add(ctx, tx, people.User{Name: "ines", Teams: []string{"operations"}})
		})
		must(t, d, func(tx *db.Tx) error {
			return change("ines").Add(ctx, tx, people.User{Name: "otto", Roles: []string{"clerk"}})
		})
		if err := errors.Join(allow("ines", people.UserManage), allow("otto", people.ExceptionAct)); err != nil {
			t.Error(err)
		}
		for by, why := range map[string]string{"otto": "has no role with the scope posting.act; ines can give it", "root": "root is not a user"} {
			if err := allow(by, people.PostingAct); !errors.Is(err, people.ErrNotAllowed) || !strings.Contains(err.Error(), why) {
				t.Errorf("%s: %v", by, err)
			}
		}
		if err := do(t, d, func(tx *db.Tx) error { return people.Allow(ctx, tx, "other", "root", people.PostingAct) }); err != nil {
			t.Errorf("another tenant: %v", err)
		}
		if err := do(t, d, func(tx *db.Tx) error { return change("otto").Grant(ctx, tx, "otto", []string{"operator"}, nil) }); !errors.Is(err, people.ErrNotAllowed) {
			t.Errorf("otto gave himself a role: %v", err)
		}
		must(t, d, func(tx *db.Tx) error {
			return change("ines").DefineRole(ctx, tx, "shift-lead", []string{people.PostingAct})
		})
		must(t, d, func(tx *db.Tx) error {
			return change("ines").Grant(ctx, tx, "otto", []string{"shift-lead"}, []string{"clerk"})
		})
		if err := allow("otto", people.PostingAct); err != nil {
			t.Error(err)
		}
		if allow("otto", people.ExceptionAct) == nil {
			t.Error("a role that was taken still allows")
		}
		must(t, d, func(tx *db.Tx) error { return change("ines").Disable(ctx, tx, "otto", false) })
		if err := allow("otto", people.PostingAct); err == nil || !strings.Contains(err.Error(), "disabled since 2026-11-24 12:00") {
			t.Errorf("a disabled user: %v", err)
		}
		must(t, d, func(tx *db.Tx) error { return change("ines").Disable(ctx, tx, "otto", true) })
		must(t, d, func(tx *db.Tx) error { return change("ines").Join(ctx, tx, "otto", []string{"claims"}, nil) })
		err := d.Read(ctx, func(tx *db.Tx) error {
			otto, err := people.Get(ctx, tx, "acme", "otto")
			if err != nil || !slices.Equal(otto.Teams, []string{"claims"}) || !slices.Equal(otto.Roles, []string{"shift-lead"}) || !otto.May(people.PostingAct) {
				t.Errorf("otto is %+v, %v", otto, err)
			}
			end, err := audit.Verify(ctx, tx, "acme")
			if end.N != 7 {
				t.Errorf("%d changes were recorded", end.N)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestSomebodyCanAlwaysManageUsers(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		must(t, d, func(tx *db.Tx) error {
			return change("root").Add(ctx, tx, people.User{Name: "ines", Roles: []string{"viewer"}})
		})
		for name, f := range map[string]func(tx *db.Tx) error{
			"disabled": func(tx *db.Tx) error { return change("ines").Disable(ctx, tx, "ines", false) },
			"role taken": func(tx *db.Tx) error {
				return change("ines").Grant(ctx, tx, "ines", nil, []string{people.Administrator})
			},
			"role redefined": func(tx *db.Tx) error { return change("ines").DefineRole(ctx, tx, people.Administrator, nil) },
		} {
			if do(t, d, f) == nil {
				t.Errorf("%s: nobody is left who may manage users", name)
			}
		}
		if err := do(t, d, func(tx *db.Tx) error { return people.Allow(ctx, tx, "acme", "ines", people.UserManage) }); err != nil {
			t.Error(err)
		}
		if err := do(t, d, func(tx *db.Tx) error { return change("ines").Grant(ctx, tx, "ines", []string{"king"}, nil) }); !errors.Is(err, people.ErrAbsent) {
			t.Errorf("an unknown role: %v", err)
		}
	})
}
