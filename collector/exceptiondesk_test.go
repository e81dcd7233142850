package collector_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// newDesk is a desk over a database of its own with 30 exceptions of one group, of orders worth 20.50 EUR each.
func newDesk(t *testing.T) *collector.Desk {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "collector.yaml")
	if err := os.WriteFile(path, []byte("data_dir: "+filepath.ToSlash(dir)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := collector.LoadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	desk, err := collector.OpenDesk(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { desk.Close() })
	err = desk.DB.Write(t.Context(), func(tx *db.Tx) error {
		for i := range 30 {
			number := fmt.Sprintf("SO%d", i)
			body, err := proto.Marshal(&docklinev1.OrderState{Number: number, Customer: fmt.Sprintf("C%d", i%3), Currency: "EUR", ReleasedTo: "dc-east", Status: "released",
				Lines: []*docklinev1.OrderLineState{{OrderLine: "1", Ordered: 5_000_000, Cancelled: 3_000_000, UnitPrice: "10.25"}}})
			if err != nil {
				return err
			}
			if _, err := tx.Exec(t.Context(), `INSERT INTO state (tenant, fold_key, body, hash, status, fact_count, policy_version, first_at, changed_at) VALUES ('acme', ?, ?, '', 'released', 1, '', 1, 1)`,
				"order/"+number, body); err != nil {
				return err
			}
			d := exception.Desired{Code: "short_pick", Subject: "line 1", Title: "Short pick", Text: "2 of 5 are missing", Site: "dc-east", Order: number}.Owned(desk.Policy, "acme")
			if i == 0 {
				d.Code = "over_shipped"
			}
			if _, err := exception.Sync(t.Context(), tx, "acme", "fold/order/"+number, []exception.Desired{d}, time.Now()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return desk
}

// Shows: S65
func TestManyExceptionsAreActedOnAtOnce(t *testing.T) {
	desk := newDesk(t)
	acting := exception.Acting{By: "ines", Reason: "agreed with the customers"}
	done, err := desk.ActOnAll(t.Context(), "acme", exception.Filter{Site: "dc-east", Unresolved: true}, "waive", acting)
	if err != nil || done.Done != 29 || done.Refused != 1 || len(done.Reasons) != 1 || !strings.Contains(done.Reasons[0].Text, "over_shipped") {
		t.Errorf("%+v, %v", done, err)
	}
	if again, err := desk.ActOnAll(t.Context(), "acme", exception.Filter{Unresolved: true}, "acknowledge", acting); err != nil || again.Done != 1 || again.Refused != 0 {
		t.Errorf("what is left: %+v, %v", again, err)
	}
}

// Shows: S66
func TestWhatExceptionsHoldUp(t *testing.T) {
	desk := newDesk(t)
	err := desk.DB.Read(t.Context(), func(tx *db.Tx) error {
		list, err := exception.List(t.Context(), tx, "acme", exception.Filter{Limit: 1000})
		if err != nil {
			return err
		}
		all, err := view.ImpactOf(t.Context(), tx, "acme", list...)
		if err != nil {
			return err
		}
		if got := all.Text(); got != "3 customers, 30 orders, 30 lines, 615.00 EUR" {
			t.Errorf("all of them: %s", got)
		}
		one, err := view.ImpactOf(t.Context(), tx, "acme", exception.Exception{Tenant: "acme", Origin: "gap/dc-east/e/5", Site: "dc-east"})
		if got := one.Text(); got != "3 customers, 30 orders, 30 lines, 615.00 EUR" {
			t.Errorf("a site that cannot tell: %s", got)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Shows: A15
func TestWhatCanBeDoneWithAnOrderFollowsFromItsStatus(t *testing.T) {
	desk := newDesk(t)
	offers := func(key string) string {
		var names []string
		err := desk.DB.Read(t.Context(), func(tx *db.Tx) error {
			found, err := desk.Offers(t.Context(), tx, "acme", key)
			for _, o := range found {
				if o.Not == "" {
					names = append(names, o.Name)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(names, " ")
	}
	if got := offers("order/SO3"); got != "hold request_cancel cancel_at_site move split amend" {
		t.Errorf("a released order: %s", got)
	}
	err := desk.DB.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE state SET status = 'shipped' WHERE fold_key = 'order/SO3'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := offers("order/SO3"); got != "" {
		t.Errorf("a shipped order: %s", got)
	}
}
