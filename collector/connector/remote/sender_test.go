package remote_test

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/posting"
)

// A collector's sender posts through a program that is killed over and over, before its document is made and after: each is confirmed, and there once.
//
// Shows: S1, S32, E14
func TestASenderAndAProgramThatFalls(t *testing.T) {
	w := open(t, "[]", "")
	d, err := db.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	keys := []string{"SO1", "SO2", "SO3", "SO4"}
	var desired []posting.Desired
	for _, key := range keys {
		desired = append(desired, posting.Desired{Target: "erp", Kind: connector.InvoiceTrigger, Key: key, SerialKey: "order/" + key, Document: invoice(key).Document, SourceVersion: 1, Style: connector.CreateOnce})
	}
	if err := d.Write(t.Context(), func(tx *db.Tx) error {
		return posting.Put(t.Context(), tx, "acme", "order/all", "v1", desired, time.Now())
	}); err != nil {
		t.Fatal(err)
	}
	var made atomic.Int64
	w.memory.Fail = func(op string, _ *connector.Posting) connectortest.Failure {
		if op != "create" {
			return connectortest.None
		}
		switch made.Add(1) {
		case 1:
			kill(t, w.Stats().Pid)
			return connectortest.Lost
		case 3:
			kill(t, w.Stats().Pid)
			return connectortest.Silent
		}
		return connectortest.None
	}
	account := &connector.Account{Name: "erp", OpenFirst: 10 * time.Millisecond, OpenLongest: 50 * time.Millisecond}
	s := &posting.Sender{DB: d, Target: "erp", Connector: connector.Govern(w.Connector, account), Account: account, Holder: "1", RetryFirst: 10 * time.Millisecond, RetryLongest: 50 * time.Millisecond,
		Cases:    func(context.Context, *db.Tx, string, string, []posting.Case) ([]string, error) { return nil, nil },
		Receipts: func(context.Context, *db.Tx, string, []string, time.Time) error { return nil }}
	w.eventually("all are confirmed", func() bool {
		if _, err := s.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s.Stats().Confirmed == int64(len(keys))
	})
	for _, key := range keys {
		if n := w.memory.Effects(connector.InvoiceTrigger, key); n != 1 {
			t.Errorf("%s is there %d times", key, n)
		}
	}
	if st := s.Stats(); st.Unknown < 2 || w.Stats().Starts != 3 {
		t.Errorf("it did not come to what it was to show: %+v, %+v", st, w.Stats())
	}
}
