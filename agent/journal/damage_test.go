package journal_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/dockline/dockline/agent/journal"
	"github.com/dockline/dockline/testenv"
	"go.etcd.io/bbolt"
)

// mapped are files whose opening damage may have cut short: bbolt leaves their mapping until the process ends, and Windows removes no
// such file.
const mapped = "*" + journal.DamagedSuffix

func epochFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "epoch-*.db"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	return files
}

func asideFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"+journal.DamagedSuffix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func diskUse(t *testing.T, dir string) (bytes int64) {
	t.Helper()
	for _, file := range epochFiles(t, dir) {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		bytes += info.Size()
	}
	return bytes
}

// A file that does not open is kept under another name and declared as a gap; the others, and capture, are not touched.
func TestUnreadableFileIsSetAside(t *testing.T) {
	dir := testenv.Folder(t)
	for n := range 3 {
		j := open(t, dir, journal.Options{})
		appendEvents(t, j, "wms", n*100, 100)
		j.Close()
	}
	files := epochFiles(t, dir)
	if len(files) != 3 {
		t.Fatalf("files %v", files)
	}
	if err := os.WriteFile(files[1], []byte(strings.Repeat("the tape is torn ", 4096)), 0o600); err != nil {
		t.Fatal(err)
	}
	j := open(t, dir, journal.Options{})
	if aside := asideFiles(t, dir); len(aside) != 1 || !strings.HasPrefix(aside[0], files[1]) {
		t.Errorf("set aside: %v, want %s", aside, files[1])
	}
	if cursor, err := j.Cursor(t.Context(), "wms"); err != nil || string(cursor) != "300" {
		t.Errorf("cursor %q %v", cursor, err)
	}
	appendEvents(t, j, "wms", 300, 1)
	c := newCentre(t)
	c.drain(j)
	c.wantAll("wms", 0, 100)
	c.wantAll("wms", 200, 101)
	if len(c.gaps) != 1 || c.gaps[0].FirstSeq != 1 || c.gaps[0].LastSeq != 100 || !strings.Contains(files[1], c.gaps[0].Epoch) {
		t.Errorf("gaps %v, want 1-100 of the file", c.gaps)
	}
	j.Close()
	j = open(t, dir, journal.Options{})
	c.drain(j)
	if len(c.gaps) != 1 {
		t.Errorf("declared again: %v", c.gaps)
	}
}

// A file whose opening panics, since its freelist leads to a page of another kind, is let go of at once and not when the garbage is next
// collected: Windows renames no open file.
func TestFileIsLetGoOfWhenOpeningPanics(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	dir := testenv.Folder(t, mapped)
	j := open(t, dir, journal.Options{})
	appendEvents(t, j, "wms", 0, 100)
	j.Close()
	bendFreelist(t, epochFiles(t, dir)[0])
	j = open(t, dir, journal.Options{})
	aside := asideFiles(t, dir)
	if len(aside) != 1 {
		t.Fatalf("set aside: %v", aside)
	}
	links, err := filepath.Glob("/proc/self/fd/*") // none where there is no such folder: there the rename has shown it
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == aside[0] {
			t.Errorf("%s is still open", target)
		}
	}
	c := newCentre(t)
	c.drain(j)
	c.wantDeclared("bent freelist", strings.Split(filepath.Base(aside[0]), "-")[2][:32], 100)
}

// bendFreelist makes a leaf of the page in which bbolt keeps its freelist.
func bendFreelist(t *testing.T, path string) {
	t.Helper()
	const freelist, leaf, flagsAt = 0x10, 0x02, 8
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bent := false
	for page := 0; page < len(data); page += os.Getpagesize() {
		if data[page+flagsAt] == freelist {
			data[page+flagsAt], bent = leaf, true
		}
	}
	if !bent {
		t.Fatal("no freelist in the file")
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// One flipped bit in a pack, met while draining, also in the file that takes writes: that pack is declared lost, the rest arrives.
func TestFlippedBitInPack(t *testing.T) {
	for _, newest := range []bool{false, true} {
		t.Run(fmt.Sprint(newest), func(t *testing.T) {
			dir := testenv.Folder(t)
			j := open(t, dir, journal.Options{})
			appendEvents(t, j, "wms", 0, 500)
			epoch := j.Stats().Epoch
			flipIn(t, epochFiles(t, dir)[0], journal.Newest(j))
			if !newest {
				j.Close()
				j = open(t, dir, journal.Options{})
			} else {
				appendEvents(t, j, "wms", 500, 10)
			}
			c := newCentre(t)
			c.drain(j)
			c.wantAll("wms", 0, 200)
			c.wantAll("wms", 300, 200)
			if len(c.gaps) != 1 || c.gaps[0].FirstSeq != 201 || c.gaps[0].LastSeq != 300 || c.gaps[0].Epoch != epoch {
				t.Errorf("gaps %v, want 201-300", c.gaps)
			}
			var moved []uint64
			for _, e := range j.Epochs() {
				if e.Epoch == epoch {
					for _, r := range e.Ranges {
						moved = append(moved, r.First, r.Last)
					}
				}
			}
			if last := uint64(500); !newest && fmt.Sprint(moved) != fmt.Sprint([]uint64{1, 200, 301, last}) {
				t.Errorf("moved %v", moved)
			}
			if len(asideFiles(t, dir)) != 1 {
				t.Error("the damaged file was not kept")
			}
			appendEvents(t, j, "wms", 600, 1)
			if newest {
				c.wantAll("wms", 500, 10)
			}
		})
	}
}

// flipIn flips one bit of the third pack on the disk, as a bad one would, wherever it lies: bbolt does not notice.
func flipIn(t *testing.T, path string, db *bbolt.DB) {
	t.Helper()
	var pack []byte
	err := db.View(func(tx *bbolt.Tx) error {
		cursor := tx.Bucket([]byte("packs")).Cursor()
		cursor.First()
		cursor.Next()
		_, value := cursor.Next()
		pack = slices.Clone(value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for at := 0; ; at += len(pack) {
		i := bytes.Index(data[at:], pack)
		if i < 0 {
			break
		}
		at += i
		if _, err := f.WriteAt([]byte{pack[len(pack)/2] ^ 4}, int64(at+len(pack)/2)); err != nil {
			t.Fatal(err)
		}
		found++
	}
	if found == 0 {
		t.Fatal("the pack was not found in the file")
	}
}

// Random pages of an older file are overwritten. Whatever it hits, the journal opens, takes events, forwards no altered event,
// and every event is either delivered or lies in a declared range.
func TestRandomDamage(t *testing.T) {
	const rounds, events = 40, 1500
	lost := 0
	for seed := range rounds {
		r := rand.New(rand.NewPCG(uint64(seed), 3))
		dir := testenv.Folder(t, mapped)
		j := open(t, dir, journal.Options{})
		for n := 0; n < events; n += 60 {
			appendEvents(t, j, "wms", n, 60)
		}
		epoch := j.Stats().Epoch
		j.Close()
		overwritePage(t, r, epochFiles(t, dir)[0])
		j = open(t, dir, journal.Options{})
		appendEvents(t, j, "later", 0, 10)
		c := newCentre(t)
		c.drain(j)
		c.wantAll("later", 0, 10)
		lost += c.wantDeclared(fmt.Sprint("seed ", seed), epoch, events)
		j.Close()
	}
	if lost == 0 {
		t.Error("no damage ever hit an event: the test shows nothing")
	}
	t.Logf("%d of %d events lost, all declared", lost, rounds*events)
}

// wantDeclared counts the events of wms that did not arrive, each of which must lie in a gap of the epoch, and that none arrived that never was.
func (c *centre) wantDeclared(what, epoch string, events int) (lost int) {
	c.t.Helper()
	covered := func(n int) bool {
		for _, gap := range c.gaps {
			if gap.Epoch == epoch && uint64(n+1) >= gap.FirstSeq && (uint64(n+1) <= gap.LastSeq || strings.Contains(gap.Reason, "can't be told")) {
				return true
			}
		}
		return false
	}
	for n := range events {
		if id := fmt.Sprintf("wms/%d", n); c.events[id] == 0 {
			lost++
			if !covered(n) {
				c.t.Fatalf("%s: %s is missing and in none of the gaps %v", what, id, c.gaps)
			}
		}
	}
	for id := range c.events {
		var n int
		if _, err := fmt.Sscanf(id, "wms/%d", &n); err == nil && (n < 0 || n >= events) {
			c.t.Fatalf("%s: %s was never captured", what, id)
		}
	}
	return lost
}

// overwritePage fills one page with noise, or flips one bit in it.
func overwritePage(t *testing.T, r *rand.Rand, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	used := len(data)
	for used > 0 && data[used-1] == 0 {
		used--
	}
	page := r.IntN((used + 4095) / 4096)
	if r.IntN(2) == 0 {
		data[page*4096+r.IntN(min(4096, used-page*4096))] ^= 1 << r.IntN(8)
	} else {
		for i := page * 4096; i < min(used, (page+1)*4096); i++ {
			data[i] = byte(r.Uint32())
		}
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
