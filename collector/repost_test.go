package collector_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/posting"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// What a sweep says is missing can be posted again by a person's word, and the word is kept. It is not offered where nothing can be posted again.
//
// Shows: S61, S65
func TestWhatASweepMissesIsPostedAgain(t *testing.T) {
	desk := newDesk(t)
	ctx, now := t.Context(), time.Now()
	ref := posting.Ref{Target: "erp", Kind: connector.GoodsIssue, Key: "SO1/S1"}
	numbers := make(map[string]uint64)
	if err := desk.DB.Write(ctx, func(tx *db.Tx) error {
		if err := posting.Put(ctx, tx, "acme", "order/SO1", "v1", []posting.Desired{{Target: ref.Target, Kind: ref.Kind, Key: ref.Key, SourceVersion: 1, Style: connector.Advance,
			Document: &docklinev1.Document{Document: &docklinev1.Document_GoodsIssue{GoodsIssue: &docklinev1.GoodsIssue{Order: "SO1"}}}}}, now); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE posting SET state = 'confirmed', confirmed_hash = document_hash, confirmed_document = document`); err != nil {
			return err
		}
		var desired []exception.Desired
		for _, subject := range []string{"goods_issue SO1/S1", "stock_adjust C1/BOLT", "order SO1"} {
			desired = append(desired, exception.Desired{Code: "sweep_missing", Subject: subject, Target: "erp", Title: "erp is missing it", Order: "SO1"}.Owned(desk.Policy, "acme"))
		}
		if _, err := exception.Sync(ctx, tx, "acme", "sweep/erp/dc-east", desired, now); err != nil {
			return err
		}
		list, err := exception.List(ctx, tx, "acme", exception.Filter{Order: "SO1"})
		for _, e := range list {
			numbers[e.Subject] = e.Number
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	act := func(subject string) (said string, err error) {
		err = desk.DB.Write(ctx, func(tx *db.Tx) (err error) {
			said, err = desk.ActOn(ctx, tx, "acme", numbers[subject], "post_again", exception.Acting{By: "api", Reason: "the clerk was mistaken", Now: now})
			return err
		})
		return said, err
	}
	for _, subject := range []string{"stock_adjust C1/BOLT", "order SO1"} {
		if said, err := act(subject); err == nil {
			t.Errorf("%s: %s", subject, said)
		}
	}
	if err := desk.DB.Read(ctx, func(tx *db.Tx) error {
		offers, err := desk.Offers(ctx, tx, "acme", "posting/"+ref.String())
		if at := slices.IndexFunc(offers, func(o exception.Offer) bool { return o.Name == "post_again" && o.Not == "" }); at < 0 {
			t.Errorf("a posting is offered %+v", offers)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	said, err := act("goods_issue SO1/S1")
	if err != nil || !strings.Contains(said, "looked for in erp") {
		t.Fatalf("%q, %v", said, err)
	}
	if said, err := act("goods_issue SO1/S1"); err == nil || !strings.Contains(err.Error(), "only what erp has confirmed can be posted again") {
		t.Errorf("said twice: %q, %v", said, err)
	}
	if err := desk.DB.Read(ctx, func(tx *db.Tx) error {
		found, err := posting.List(ctx, tx, posting.Filter{Tenant: "acme"})
		if err != nil || len(found) != 1 || found[0].State == posting.Confirmed {
			t.Errorf("it is %+v", found)
		}
		acts, err := audit.List(ctx, tx, "acme", audit.Filter{})
		if len(acts) != 1 || acts[0].Reason != "the clerk was mistaken" || !strings.Contains(acts[0].Action, "post_again") {
			t.Errorf("kept are %+v", acts)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
