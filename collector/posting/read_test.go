package posting_test

import (
	"errors"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/posting"
)

func TestReaders(t *testing.T) {
	each(t, func(w *world) {
		w.fail(always(connectortest.BadData, "restate"))
		w.put("order/SO1", goodsIssue("SO1", "S1", 1), status("SO1", "shipped", 1))
		w.quiet(w.sender("c1"))
		w.put("order/SO2", goodsIssue("SO2", "S2", 1))
		read := func(f posting.Filter) (keys []string) {
			f.Tenant = tenant
			err := w.db.Read(t.Context(), func(tx *db.Tx) error {
				list, err := posting.List(t.Context(), tx, f)
				for _, e := range list {
					keys = append(keys, e.Key)
				}
				return err
			})
			if err != nil {
				w.t.Fatal(err)
			}
			return keys
		}
		for _, c := range []struct {
			name string
			f    posting.Filter
			want int
		}{
			{"all", posting.Filter{}, 3}, {"limited", posting.Filter{Limit: 2}, 2}, {"another target", posting.Filter{Target: "crm"}, 0},
			{"a kind", posting.Filter{Kind: connector.GoodsIssue}, 2}, {"a site", posting.Filter{Site: "dc-east"}, 2},
			{"states", posting.Filter{States: []posting.State{posting.Confirmed, posting.Rejected}}, 2},
		} {
			if got := read(c.f); len(got) != c.want {
				w.t.Errorf("%s: %v, want %d", c.name, got, c.want)
			}
		}
		counts := map[posting.State]int64{}
		err := w.db.Read(t.Context(), func(tx *db.Tx) error {
			list, err := posting.Counts(t.Context(), tx, tenant)
			for _, c := range list {
				counts[c.State] += c.N
			}
			return err
		})
		if err != nil {
			w.t.Fatal(err)
		}
		if counts[posting.Confirmed] != 1 || counts[posting.Rejected] != 1 || counts[posting.Ready] != 1 {
			w.t.Errorf("counts: %v", counts)
		}
	})
}

func TestRetryOfWhatCannotBeRetried(t *testing.T) {
	each(t, func(w *world) {
		w.put(fold, goodsIssue("SO1", "S1", 1))
		w.quiet(w.sender("c1"))
		retry := func(ref posting.Ref) error {
			return w.db.Write(t.Context(), func(tx *db.Tx) error {
				return posting.Retry(t.Context(), tx, tenant, ref, w.clock.Now())
			})
		}
		if err := retry(goodsIssue("SO1", "S1", 1).Ref()); !errors.Is(err, posting.ErrNotRetryable) {
			w.t.Errorf("a confirmed one: %v", err)
		}
		if err := retry(goodsIssue("SO1", "S9", 1).Ref()); !errors.Is(err, posting.ErrAbsent) {
			w.t.Errorf("one that is not there: %v", err)
		}
	})
}

// An invoice that was wanted before its goods issue, by another fold, must not wait behind itself in their serial key.
func TestNeedThatComesLater(t *testing.T) {
	each(t, func(w *world) {
		s := w.sender("c1")
		w.put("order/SO1", invoice("SO1", "S1"))
		w.pass(s, 10*time.Second)
		w.expect("inv/SO1/S1", posting.Planned)
		w.put("shipment/S1", goodsIssue("SO1", "S1", 1))
		w.quiet(s)
		w.expect("SO1/S1", posting.Confirmed)
		w.expect("inv/SO1/S1", posting.Confirmed)
	})
}

// A posting that another fold wants now is that fold's: the former one no longer withdraws it.
func TestPostingThatChangesItsFold(t *testing.T) {
	each(t, func(w *world) {
		w.put("shipment/S1", goodsIssue("SO1", "S1", 1))
		w.put("order/SO1", goodsIssue("SO1", "S1", 1))
		w.put("shipment/S1")
		w.quiet(w.sender("c1"))
		if e := w.expect("SO1/S1", posting.Confirmed); e.FoldKey != "order/SO1" || !e.Wanted {
			w.t.Errorf("fold %s, wanted %v", e.FoldKey, e.Wanted)
		}
		w.effects(connector.GoodsIssue, "SO1/S1", 1)
	})
}

// A posting in another target that this one depends on is confirmed by another sender.
func TestNeedInAnotherTarget(t *testing.T) {
	each(t, func(w *world) {
		d := status("SO1", "shipped", 1)
		d.Target, d.Needs = "crm", []posting.Ref{goodsIssue("SO1", "S1", 1).Ref()}
		w.put(fold, goodsIssue("SO1", "S1", 1), d)
		crm := w.sender("c1", func(s *posting.Sender) { s.Target = "crm" })
		w.quiet(crm)
		w.expect("SO1", posting.Planned)
		w.quiet(w.sender("c1"))
		w.quiet(crm)
		w.expect("SO1", posting.Confirmed)
	})
}
