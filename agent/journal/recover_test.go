package journal_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/dockline/dockline/agent/journal"
	"github.com/dockline/dockline/testenv"
)

// checkFile in the environment makes this test binary the child that reads a file.
const checkFile = "DOCKLINE_JOURNAL_CHECK"

// checkInChild is what the agent does with its own binary.
func checkInChild(ctx context.Context, path string) error {
	child := again(ctx)
	child.Env = append(os.Environ(), checkFile+"="+path)
	out, err := child.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 4 {
		return fmt.Errorf("%w: %s", journal.ErrDamaged, out)
	}
	return err
}

func checkAndExit(path string) {
	err := journal.CheckFile(path)
	switch {
	case err == nil:
		os.Exit(0)
	case errors.Is(err, journal.ErrDamaged):
		fmt.Println(err)
		os.Exit(4)
	}
	fmt.Println(err)
	os.Exit(1)
}

// unclean makes the folder look as a crash leaves it.
func unclean(t *testing.T, dir string) {
	t.Helper()
	if err := os.Remove(dir + "/" + journal.StopName); err != nil {
		t.Fatal(err)
	}
}

// After an unclean stop events are taken at once, the cursor is given when the older file was checked, and in the end the new epoch
// knows all that it would have known after a clean stop.
func TestCaptureGoesOnWhileTheOldFileIsChecked(t *testing.T) {
	dir := testenv.Folder(t)
	j := open(t, dir, journal.Options{})
	appendEvents(t, j, "wms", 0, 250)
	appendEvents(t, j, "scanner", 0, 30)
	old := j.Stats()
	j.Close()
	unclean(t, dir)

	asked, answer := make(chan string, 1), make(chan error)
	j = open(t, dir, journal.Options{Check: func(_ context.Context, path string) error { asked <- path; return <-answer }})
	recovered := make(chan error, 1)
	go func() { recovered <- j.Recover(t.Context()) }()
	if path := <-asked; path != epochFiles(t, dir)[0] {
		t.Errorf("%s was checked", path)
	}
	appendEvents(t, j, "scanner", 30, 5)
	short, cancel := context.WithCancel(t.Context())
	cancel()
	if cursor, err := j.Cursor(short, "wms"); err == nil {
		t.Errorf("cursor %q before the file was checked", cursor)
	}
	answer <- nil
	if cursor, err := j.Cursor(t.Context(), "wms"); err != nil || string(cursor) != "250" {
		t.Errorf("cursor %q %v, want 250", cursor, err)
	}
	if cursor, err := j.Cursor(t.Context(), "scanner"); err != nil || string(cursor) != "35" {
		t.Errorf("cursor %q %v, want that of the new epoch", cursor, err)
	}
	if err := <-recovered; err != nil {
		t.Fatal(err)
	}
	epochs := j.Epochs()
	if newest := epochs[len(epochs)-1]; newest.Predecessor != old.Epoch || newest.PredecessorLastSeq != old.LastSeq {
		t.Errorf("the new epoch follows %s at %d, want %s at %d", newest.Predecessor, newest.PredecessorLastSeq, old.Epoch, old.LastSeq)
	}
	if s := j.Stats(); s.CapturedTotal != 285 || s.Events != 285 {
		t.Errorf("%+v, want 285 events", s)
	}
	c := newCentre(t)
	c.drain(j)
	c.wantAll("wms", 0, 250)
	c.wantAll("scanner", 0, 35)
}

// Crashes while the old file is still being checked: the epochs begun meanwhile lack what they could not know, and a later opening
// gives it to them, in their order.
func TestCrashesBeforeTheOldFileWasChecked(t *testing.T) {
	dir := testenv.Folder(t)
	j := open(t, dir, journal.Options{})
	appendEvents(t, j, "wms", 0, 10)
	j.Close()
	unclean(t, dir)
	for n := range 3 {
		j = open(t, dir, journal.Options{Check: checkInChild})
		appendEvents(t, j, "scanner", n*5, 5)
		j.Close() // Without Recover it is no orderly stop.
	}
	j = open(t, dir, journal.Options{Check: checkInChild})
	if err := j.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	for plugin, want := range map[string]string{"wms": "10", "scanner": "15"} {
		if cursor, err := j.Cursor(t.Context(), plugin); err != nil || string(cursor) != want {
			t.Errorf("cursor of %s: %q %v, want %s", plugin, cursor, err, want)
		}
	}
	if s := j.Stats(); s.CapturedTotal != 25 || s.Events != 25 {
		t.Errorf("%+v, want 25 events", s)
	}
	if reopened := open(t, reopenable(t, j, dir), journal.Options{}); reopened.Stats().CapturedTotal != 25 {
		t.Errorf("counted anew: %+v", reopened.Stats())
	}
}

func reopenable(t *testing.T, j *journal.Journal, dir string) string {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A reader that dies of a file is not followed by another: the pages are read one by one, what verifies is sent, the rest declared.
func TestFileThatKillsItsReader(t *testing.T) {
	dir := testenv.Folder(t)
	j := open(t, dir, journal.Options{})
	for n := range 20 {
		appendEvents(t, j, "wms", n*60, 60)
	}
	epoch := j.Stats().Epoch
	flipIn(t, epochFiles(t, dir)[0], journal.Newest(j))
	j.Close()
	// The note of the clean stop does not speak for a file that was touched since.
	if err := os.Chtimes(epochFiles(t, dir)[0], time.Time{}, time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	j = open(t, dir, journal.Options{Check: func(context.Context, string) error { return errors.New("signal: killed") }})
	if err := j.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	appendEvents(t, j, "later", 0, 1)
	if cursor, err := j.Cursor(t.Context(), "wms"); err != nil || len(cursor) == 0 {
		t.Errorf("cursor %q %v: the packs had one", cursor, err)
	}
	c := newCentre(t)
	c.drain(j)
	missing := c.missing("wms", 0, 1200)
	if len(missing) == 0 || len(missing) > journal.PackEvents+20 {
		t.Errorf("%d events are missing, want those of one pack", len(missing))
	}
	// Nobody can tell whether the file's newest pages are the last that it had, so the end is left open.
	if len(c.gaps) != 2 || c.gaps[0].Epoch != epoch || int(c.gaps[0].LastSeq-c.gaps[0].FirstSeq)+1 != len(missing) || c.gaps[1].FirstSeq != 1201 {
		t.Errorf("gaps %v for %d missing events", c.gaps, len(missing))
	}
	if aside := asideFiles(t, dir); len(aside) != 1 {
		t.Errorf("set aside: %v", aside)
	}
}

// Files damaged in every way there is, read by a real child: whatever becomes of it, the journal opens, forwards nothing altered, and
// what is missing was declared.
// Shows: S52
func TestDamagedFilesReadByAChild(t *testing.T) {
	const events = 1500
	lost := 0
	for seed := range testenv.Count("journal.damages") {
		r := rand.New(rand.NewPCG(uint64(seed), 4))
		dir := testenv.Folder(t, mapped)
		j := open(t, dir, journal.Options{})
		for n := 0; n < events; n += 60 {
			appendEvents(t, j, "wms", n, 60)
		}
		epoch := j.Stats().Epoch
		j.Close()
		for range 1 + r.IntN(3) {
			overwritePage(t, r, epochFiles(t, dir)[0])
		}
		j = open(t, dir, journal.Options{Check: checkInChild})
		appendEvents(t, j, "later", 0, 10)
		if err := j.Recover(t.Context()); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		c := newCentre(t)
		c.drain(j)
		c.wantAll("later", 0, 10)
		lost += c.wantDeclared(fmt.Sprint("seed ", seed), epoch, events)
		j.Close()
	}
	t.Logf("%d events lost, all declared", lost)
}

// The freelist by measurement: a drained file of a million events, and one more commit, with and without the freelist in the file.
func BenchmarkFreelist(b *testing.B) {
	for _, stored := range []bool{true, false} {
		b.Run(map[bool]string{true: "stored", false: "scanned"}[stored], func(b *testing.B) {
			path := testenv.Folder(b) + "/f.db"
			options := &bbolt.Options{NoFreelistSync: !stored, FreelistType: bbolt.FreelistMapType}
			db := drainedFile(b, path, options)
			b.Run("commit", func(b *testing.B) {
				for n := range b.N {
					err := db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("packs")).Put(fmt.Append(nil, n), make([]byte, 600)) })
					if err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run("open", func(b *testing.B) {
				for range b.N {
					if err := db.Close(); err != nil {
						b.Fatal(err)
					}
					var err error
					if db, err = bbolt.Open(path, 0o600, options); err != nil {
						b.Fatal(err)
					}
				}
			})
			if err := db.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// drainedFile is as large as packs of a million events are, and empty.
func drainedFile(b *testing.B, path string, options *bbolt.Options) *bbolt.DB {
	b.Helper()
	db, err := bbolt.Open(path, 0o600, options)
	if err != nil {
		b.Fatal(err)
	}
	for n := range 100 {
		err := db.Update(func(tx *bbolt.Tx) error {
			packs, err := tx.CreateBucketIfNotExists([]byte("packs"))
			for i := range 100 {
				err = errors.Join(err, packs.Put(fmt.Appendf(nil, "%08d", n*100+i), make([]byte, 9000)))
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		if err := tx.DeleteBucket([]byte("packs")); err != nil {
			return err
		}
		_, err := tx.CreateBucket([]byte("packs"))
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return db
}
