package member_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/member"
	"github.com/dockline/dockline/testenv"
)

// each runs a test on both databases, with a clock of its own.
func each(t *testing.T, f func(t *testing.T, d *db.DB, url string, pass func(time.Duration))) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			url := "sqlite:" + filepath.Join(t.TempDir(), "member.db")
			if engine == "postgres" {
				url = testenv.PostgreSQL(t)
			}
			d, err := db.Open(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { d.Close() })
			if err := d.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			now := time.Date(2026, 7, 6, 6, 0, 0, 0, time.UTC)
			d.Now = func() time.Time { return now }
			f(t, d, url, func(by time.Duration) { now = now.Add(by) })
		})
	}
}

func join(t *testing.T, m *member.Member) {
	t.Helper()
	if err := m.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestDivision: whatever it is called, a piece of work is that of one of those at work, and each has some.
func TestDivision(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB, _ string, pass func(time.Duration)) {
		members := []*member.Member{{DB: d, Name: "a", Process: "1"}, {DB: d, Name: "b", Process: "2"}, {DB: d, Name: "c", Process: "3"}}
		for range 2 { // the first learns of the others with its next word
			for _, m := range members {
				join(t, m)
			}
		}
		shares := make([]int, len(members))
		for n := range 3000 {
			owners := 0
			for i, m := range members {
				if m.Mine(fmt.Sprintf("order/SO%d", n)) {
					owners++
					shares[i]++
				}
			}
			if owners != 1 {
				t.Fatalf("order/SO%d is that of %d collectors", n, owners)
			}
		}
		for i, n := range shares {
			if n < 700 {
				t.Errorf("collector %s has %d of 3000", members[i].Name, n)
			}
		}
		pass(member.Term + time.Second)
		join(t, members[0])
		if !members[0].Mine("order/SO1") || !members[0].Mine("order/SO2") || !members[0].Mine("order/SO3") {
			t.Error("the only one at work does not have all of it")
		}
	})
}

// TestName: a name is that of one process. A run that has ended is known by the folder that it leaves; else its term must be over.
func TestName(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB, _ string, pass func(time.Duration)) {
		join(t, &member.Member{DB: d, Name: "a", Process: "1"})
		other := &member.Member{DB: d, Name: "a", Process: "2"}
		waiting, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if err := other.Join(waiting); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("a second process under the name: %v", err)
		}
		join(t, &member.Member{DB: d, Name: "a", Process: "3", Former: "1"})
		pass(member.Term + time.Second)
		join(t, other)
		err := (&member.Member{DB: d, Name: "a", Process: "3"}).Run(t.Context())
		if !errors.Is(err, member.ErrTaken) {
			t.Errorf("the one whose place was taken ends with %v", err)
		}
	})
}

// TestTooNew: a migration of a newer version that says so ends who does not know it.
func TestTooNew(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB, _ string, _ func(time.Duration)) {
		m := &member.Member{DB: d, Name: "a", Process: "1"}
		join(t, m)
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), `INSERT INTO meta (name, value) VALUES ('oldest', ?)`, fmt.Sprint(db.Schema()+1))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Run(t.Context()); !errors.Is(err, db.ErrTooNew) || !strings.Contains(err.Error(), "start the newer version") {
			t.Errorf("it ends with %v", err)
		}
		if err := d.Migrate(t.Context()); !errors.Is(err, db.ErrTooNew) {
			t.Errorf("it starts with %v", err)
		}
	})
}

// TestHaltedWithinATransaction: what a collector has locked that gives no word any more is free when its term is over.
func TestHaltedWithinATransaction(t *testing.T) {
	url := testenv.PostgreSQL(t)
	open := func(process string) *db.DB {
		d, err := db.Open(t.Context(), db.Named(url, member.Session(process)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		return d
	}
	halted, well := open("1"), open("2")
	if err := well.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	join(t, &member.Member{DB: halted, Name: "a", Process: "1"})
	locked, end := make(chan struct{}), make(chan error)
	go func() {
		end <- halted.Write(context.Background(), func(tx *db.Tx) error {
			if err := tx.Lock(context.Background(), "order"); err != nil {
				return err
			}
			close(locked)
			<-t.Context().Done()
			return nil
		})
	}()
	<-locked
	m := &member.Member{DB: well, Name: "b", Process: "2"}
	join(t, m)
	running, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error)
	go func() { ended <- m.Run(running) }()
	if err := well.Write(t.Context(), func(tx *db.Tx) error { return tx.Lock(t.Context(), "order") }); err != nil {
		t.Errorf("the lock of the halted one: %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	t.Cleanup(func() {
		if err := <-end; err == nil || !db.Away(err) {
			t.Errorf("the halted transaction ended with %v", err)
		}
	})
}
