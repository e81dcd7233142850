package downlink_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/agent/downlink"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

func open(t testing.TB, path string, o downlink.Options) *downlink.Store {
	t.Helper()
	s, err := downlink.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func inbox(t testing.TB) string { return filepath.Join(t.TempDir(), "inbox.db") }

// release is the release of an order, of other content in each version.
func release(order string, version, position uint64) *docklinev1.Command {
	return &docklinev1.Command{
		Key: "release/" + order, Version: version, Position: position, CorrelationId: "c-" + order,
		Work: &docklinev1.Command_ReleaseOrder{ReleaseOrder: &docklinev1.ReleaseOrder{Order: &docklinev1.Order{Number: order, Customer: fmt.Sprint("C", version)}}},
	}
}

func put(t testing.TB, s *downlink.Store, previous uint64, commands ...*docklinev1.Command) {
	t.Helper()
	if err := s.PutCommands(&docklinev1.CommandList{Previous: previous, Commands: commands}); err != nil {
		t.Fatal(err)
	}
}

func pending(t testing.TB, s *downlink.Store) string {
	t.Helper()
	commands, err := s.Pending()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, c := range commands {
		fmt.Fprintf(&b, "%s@%d ", c.Key, c.Version)
	}
	return strings.TrimSpace(b.String())
}

// Of one key the highest version counts, lists may come twice, late and with a hole before them, and a new incarnation begins
// at position 0 without doing anything twice.
func TestPutCommands(t *testing.T) {
	path := inbox(t)
	s := open(t, path, downlink.Options{})
	if err := s.SetIncarnation("one"); err != nil {
		t.Fatal(err)
	}
	put(t, s, 0, release("A", 1, 1), release("B", 1, 2))
	steps := []struct {
		name     string
		previous uint64
		commands []*docklinev1.Command
		through  uint64
		pending  string
	}{
		{"the same list again", 0, []*docklinev1.Command{release("A", 1, 1), release("B", 1, 2)}, 2, "release/A@1 release/B@1"},
		{"a list behind a hole", 5, []*docklinev1.Command{release("C", 1, 6)}, 2, "release/A@1 release/B@1"},
		{"one that overlaps, with an empty list's end", 1, []*docklinev1.Command{release("B", 1, 2), release("C", 3, 5)}, 5, "release/A@1 release/B@1 release/C@3"},
		{"a newer version goes to the end", 5, []*docklinev1.Command{release("A", 2, 6)}, 6, "release/B@1 release/C@3 release/A@2"},
		{"an older version", 6, []*docklinev1.Command{release("C", 2, 7)}, 7, "release/B@1 release/C@3 release/A@2"},
		{"no key", 7, []*docklinev1.Command{release("D", 1, 8), {Position: 9}}, 9, "release/B@1 release/C@3 release/A@2 release/D@1"},
	}
	for _, step := range steps {
		put(t, s, step.previous, step.commands...)
		if _, through, _ := s.Through(); through != step.through || pending(t, s) != step.pending {
			t.Errorf("%s: through %d, pending %s; want %d, %s", step.name, through, pending(t, s), step.through, step.pending)
		}
	}
	want := pending(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, downlink.Options{})
	if got := pending(t, s); got != want {
		t.Errorf("after a reopen %s, want %s", got, want)
	}
	if err := s.SetIncarnation("one"); err != nil {
		t.Fatal(err)
	}
	if incarnation, through, _ := s.Through(); incarnation != "one" || through != 9 {
		t.Errorf("the same incarnation again: %s %d", incarnation, through)
	}
	if err := s.SetIncarnation("two"); err != nil {
		t.Fatal(err)
	}
	if incarnation, commands, receipts := s.Through(); incarnation != "two" || commands != 0 || receipts != 0 {
		t.Errorf("in a new incarnation: %s %d %d", incarnation, commands, receipts)
	}
	put(t, s, 0, release("D", 1, 1), release("E", 1, 2))
	if got := pending(t, s); got != want+" release/E@1" {
		t.Errorf("in a new incarnation %s", got)
	}
}

func receipt(event, subject string, version, position uint64, level docklinev1.ReceiptLevel) *docklinev1.EventReceipt {
	return &docklinev1.EventReceipt{EventId: event, Subject: subject, Version: version, Position: position, Level: level}
}

const (
	logged    = docklinev1.ReceiptLevel_RECEIPT_LEVEL_LOGGED
	confirmed = docklinev1.ReceiptLevel_RECEIPT_LEVEL_CONFIRMED
)

func TestReceipts(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	s := open(t, inbox(t), downlink.Options{MaxReceipts: 5, KeepReceipts: time.Hour, Now: func() time.Time { return now }})
	put := func(previous uint64, receipts ...*docklinev1.EventReceipt) {
		t.Helper()
		if err := s.PutReceipts(&docklinev1.ReceiptList{Previous: previous, Receipts: receipts}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(what string, f downlink.Filter, want string) {
		t.Helper()
		found, err := s.Receipts(f)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, r := range found {
			fmt.Fprintf(&b, "%s:%d ", r.EventId, r.Version)
		}
		if got := strings.TrimSpace(b.String()); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	put(0, receipt("e1", "SO1", 1, 1, logged), receipt("e2", "SO1", 1, 2, logged), receipt("e3", "SO10", 1, 3, logged))
	check("all", downlink.Filter{}, "e3:1 e2:1 e1:1")
	check("of one order, not of one whose number begins like it", downlink.Filter{Subject: "SO1"}, "e2:1 e1:1")
	put(3, receipt("e1", "SO1", 2, 4, confirmed))
	check("a newer version", downlink.Filter{Subject: "SO1"}, "e1:2 e2:1")
	check("by level", downlink.Filter{Levels: []docklinev1.ReceiptLevel{confirmed}}, "e1:2")
	put(4, receipt("e1", "SO1", 1, 5, logged))
	check("an older version", downlink.Filter{Subject: "SO1"}, "e1:2 e2:1")
	put(90, receipt("e9", "SO1", 1, 91, logged))
	if _, _, through := s.Through(); through != 5 {
		t.Errorf("through %d after a list with a hole before it, want 5", through)
	}
	if err := s.SetIncarnation("two"); err != nil {
		t.Fatal(err)
	}
	put(0, receipt("e1", "SO1", 1, 5, confirmed), receipt("e1", "SO1", 1, 4, logged))
	check("of a database that was put back, which counts anew", downlink.Filter{Subject: "SO1"}, "e1:1 e2:1")
	put(5, receipt("e4", "SO2", 1, 6, logged), receipt("e5", "SO2", 1, 7, logged), receipt("e6", "SO2", 1, 8, logged))
	check("the oldest go first", downlink.Filter{}, "e6:1 e5:1 e4:1 e1:1 e3:1")
	check("and their subject's entry with them", downlink.Filter{Subject: "SO1"}, "e1:1")
	now = now.Add(2 * time.Hour)
	put(8, receipt("e7", "SO3", 1, 9, logged))
	check("after their time", downlink.Filter{}, "e7:1")
	if st, err := s.Stats(); err != nil || st.Receipts != 1 {
		t.Errorf("stats %+v %v", st, err)
	}
}

// What is not done with is told the oldest first, and counted; what is done with leaves. An inbox of an older agent is told of alike.
func TestOpenReceipts(t *testing.T) {
	path := inbox(t)
	s := open(t, path, downlink.Options{})
	at := func(r *docklinev1.EventReceipt, hour int) *docklinev1.EventReceipt {
		r.OccurredAt = timestamppb.New(time.Date(2026, 3, 2, hour, 0, 0, 0, time.UTC))
		return r
	}
	check := func(what, want string, stats downlink.OpenStats) {
		t.Helper()
		var got []string
		if err := s.EachOpen(func(r *docklinev1.EventReceipt, _ time.Time) bool { got = append(got, r.EventId); return true }); err != nil {
			t.Fatal(err)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
		if st, err := s.Open(); err != nil || st != stats {
			t.Errorf("%s: %+v %v, want %+v", what, st, err, stats)
		}
	}
	put := func(previous uint64, receipts ...*docklinev1.EventReceipt) {
		t.Helper()
		if err := s.PutReceipts(&docklinev1.ReceiptList{Previous: previous, Receipts: receipts}); err != nil {
			t.Fatal(err)
		}
	}
	nine, ten := at(receipt("", "", 0, 0, 0), 9).OccurredAt.AsTime(), at(receipt("", "", 0, 0, 0), 10).OccurredAt.AsTime()
	put(0, at(receipt("late", "SO1", 1, 1, logged), 10), at(receipt("early", "SO1", 1, 2, logged), 9), at(receipt("done", "SO2", 1, 3, confirmed), 8))
	check("two wait", "early late", downlink.OpenStats{Logged: 2, OldestAt: nine})
	waits := at(receipt("late", "SO1", 2, 3, logged), 10)
	waits.Text, waits.Position = "erp: does not answer", 4
	put(3, waits)
	if st, err := s.Open(); err != nil || st.Held != 1 || st.HeldText != waits.Text || st.HeldSince.IsZero() {
		t.Errorf("one waits for the ERP: %+v %v", st, err)
	}
	put(4, at(receipt("late", "SO1", 3, 5, logged), 10))
	put(5, at(receipt("early", "SO1", 2, 6, docklinev1.ReceiptLevel_RECEIPT_LEVEL_REFUSED), 9))
	check("one is refused", "early late", downlink.OpenStats{Logged: 1, Refused: 1, OldestAt: nine})
	put(6, at(receipt("early", "SO1", 3, 7, confirmed), 9))
	check("and then in the ERP", "late", downlink.OpenStats{Logged: 1, OldestAt: ten})
	unread := receipt("unread", "picks", 1, 8, docklinev1.ReceiptLevel_RECEIPT_LEVEL_EXCEPTION)
	unread.EventKind, unread.OccurredAt = docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED, timestamppb.New(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
	put(7, unread)
	check("a record that could not be read says no time", "unread late", downlink.OpenStats{Logged: 1, Exceptions: 1, OldestAt: ten})
	unread.Version, unread.Position, unread.Level = 2, 9, confirmed
	put(8, unread)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	old, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(old.Update(func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("open")) }), old.Close()); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, downlink.Options{})
	check("an inbox without the index", "late", downlink.OpenStats{Logged: 1, OldestAt: ten})
}

// A damaged inbox is set aside, and the centre asked for everything from position 0; the site goes on.
func TestDamagedInbox(t *testing.T) {
	damages := map[string]func([]byte){
		"torn":        func(b []byte) { copy(b, bytes.Repeat([]byte("torn"), 4096)) },
		"flipped bit": func(b []byte) { b[bytes.LastIndex(b, []byte("c-SO00017"))] ^= 1 },
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			path := inbox(t)
			s := open(t, path, downlink.Options{})
			put(t, s, 0, release("SO00017", 1, 1))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for bytes.Contains(data, []byte("c-SO00017")) {
				damage(data)
			}
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			s = open(t, path, downlink.Options{})
			if _, through, _ := s.Through(); through != 0 || pending(t, s) != "" {
				t.Errorf("through %d, pending %s", through, pending(t, s))
			}
			if aside, err := filepath.Glob(path + ".*.damaged"); err != nil || len(aside) != 1 {
				t.Errorf("set aside: %v %v", aside, err)
			}
			put(t, s, 0, release("SO00017", 1, 1))
			if pending(t, s) != "release/SO00017@1" {
				t.Error("the command did not come back")
			}
		})
	}
}
