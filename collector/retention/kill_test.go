package retention_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/retention"
	. "github.com/dockline/dockline/collector/state/statetest"
	"github.com/dockline/dockline/testenv"
)

// A process that archives is killed again and again, wherever it is; after each kill what is kept agrees with the log, and every event is in the
// database or in an archive. Put back, all is as it was.
func TestArchivingIsKilled(t *testing.T) {
	if os.Getenv("ARCHIVE_DATABASE") != "" {
		archiveUntilKilled(t)
		return
	}
	for _, engine := range []string{"sqlite", "postgresql"} {
		t.Run(engine, func(t *testing.T) {
			url := "sqlite:" + t.TempDir() + "/test.db"
			if engine == "postgresql" {
				url = testenv.PostgreSQL(t)
			}
			d := opened(t, url)
			defer d.Close()
			const orders = 16
			w := aYear(t, d, orders)
			before := w.dump(t, d)
			random := rand.New(rand.NewPCG(210, 1))
			kills := 0
			for over := false; !over; {
				w.clock = w.clock.Add(2 * time.Minute) // the lease of who is gone
				child := exec.Command(os.Args[0], "-test.run=^TestArchivingIsKilled$")
				child.Env = append(os.Environ(), "ARCHIVE_DATABASE="+url, "ARCHIVE_FOLDER="+w.folder, "ARCHIVE_CLOCK="+strconv.FormatInt(w.clock.UnixMicro(), 10), "ARCHIVE_HOLDER="+fmt.Sprint("process ", kills))
				out, err := child.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := child.Start(); err != nil {
					t.Fatal(err)
				}
				left := 1 + random.IntN(9)
				if kills >= testenv.Count("retention.kills") {
					left = 1 << 30
				}
				lines := bufio.NewScanner(out)
				last := ""
				for lines.Scan() {
					last = lines.Text()
					if left--; left == 0 {
						if err := child.Process.Kill(); err != nil {
							t.Fatal(err)
						}
						kills++
					}
				}
				if err := child.Wait(); err == nil {
					over = true
				} else if left > 0 {
					t.Fatalf("it ended by itself: %v, last %q", err, last)
				}
				w.agrees()
				w.expect("ids", int64(len(before["event_identity"])), `SELECT COUNT(*) FROM event_identity`)
				w.expect("events that are in the database, or in an archive", int64(len(before["event_identity"])),
					`SELECT (SELECT COUNT(*) FROM event) + (SELECT COUNT(*) FROM event_identity WHERE archive <> 0)`)
			}
			t.Logf("%d kills, %d archives", kills, w.count(`SELECT COUNT(*) FROM archive WHERE state = 'pruned'`))
			if kills == 0 {
				t.Error("it was never killed")
			}
			r := w.retention()
			if n, faults, err := r.Verify(t.Context(), Tenant); n == 0 || len(faults) != 0 || err != nil {
				t.Errorf("verify: %d, %v, %v", n, faults, err)
			}
			w.expect("archived orders", orders, `SELECT COUNT(*) FROM archive_key WHERE fold_key LIKE 'order/%'`)
			for i := range orders {
				if _, err := r.RestoreKey(t.Context(), Tenant, fmt.Sprint("order/SO", i+1), retention.Who{By: "ana", Reason: "test"}); err != nil {
					t.Fatal(err)
				}
			}
			w.fold()
			w.agrees()
			same(t, "put back", w.dump(t, d), before)
		})
	}
}

func opened(t *testing.T, url string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

// archiveUntilKilled is the process that is killed. It says a line at each point that it comes to.
func archiveUntilKilled(t *testing.T) {
	d := opened(t, os.Getenv("ARCHIVE_DATABASE"))
	defer d.Close()
	w := newWorld(t, d)
	micros, err := strconv.ParseInt(os.Getenv("ARCHIVE_CLOCK"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	w.clock, w.folder = time.UnixMicro(micros).UTC(), os.Getenv("ARCHIVE_FOLDER")
	r := w.retention()
	r.Holder, r.Together, r.MaxFile = os.Getenv("ARCHIVE_HOLDER"), 1, 3
	r.Fault = func(at string) error {
		fmt.Println(at)
		return nil
	}
	if _, err := r.Run(t.Context(), Tenant, retention.Who{By: "ana", Reason: "test"}); err != nil {
		t.Fatal(err)
	}
}
