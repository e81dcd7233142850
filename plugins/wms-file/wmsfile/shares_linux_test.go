//go:build amd64 || arm64

package wmsfile_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/dockline/dockline/plugins/wms-file/wmsfile"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/sharefs"
)

const shareConfig = `
outbound: ROOT/out
complete: {by: BY, stable: 3s}
defaults: {delimiter: ";", zone: UTC}
files:
  - name: picks
    pattern: picks*.csv
    require_final_newline: true
    kind: pick.confirmed
    key: [id]
    columns: {id: task, order: order, sku: item, qty: quantity, at: occurred_at, bin: bin, mov: movement}
  - name: lots
    pattern: größe*.csv
    require_final_newline: true
    kind: pick.confirmed
    key: [id]
    columns: {id: task, order: order, sku: item, qty: quantity, at: occurred_at, bin: bin, mov: movement}
`

// bad is everything at once.
var bad = sharefs.Troubles{Late: 30, Ghosts: 40, Stale: 35, Empty: 15, Refused: 12, Lied: 6, Twice: 10, Broken: 6, Unlisted: 6, Unseen: 2, Lag: 9}

// newShare mounts a share, or skips the test where that cannot be done.
func newShare(t *testing.T, seed uint64) *sharefs.Share {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil || os.Getuid() != 0 {
		testenv.SkipServer(t, "fuse", "needs /dev/fuse and root")
	}
	share, err := sharefs.New(t.TempDir(), seed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		share.Away(false)
		if err := share.Unmount(); err != nil {
			t.Error(err)
		}
	})
	if err := os.Mkdir(filepath.Join(share.Dir, "out"), 0o755); err != nil {
		t.Fatal(err)
	}
	return share
}

// writer is a WMS beside the server: what it writes is there at once, and the agent sees it as its share shows it.
type writer struct {
	t    *testing.T
	r    *rand.Rand
	out  string
	by   string
	rows map[string]string // by pick, where it lies
	bad  map[string]bool   // picks that are none
	half []func(now time.Time)
}

// name is one of those that a WMS gives, in either case, and with letters that systems write in two ways.
func (w *writer) name(n int) (name, marker string) {
	name, marker = fmt.Sprintf([]string{"picks%d.csv", "PICKS%d.CSV", "Größe%d.csv"}[n%3], n), ".done"
	if n%2 == 0 {
		marker = ".DONE"
	}
	return name, marker
}

// write begins the file n, or writes it whole; what is left of it comes later.
func (w *writer) write(n int, now time.Time) {
	name, marker := w.name(n)
	var b strings.Builder
	b.WriteString(wmsfile.PickHeader)
	for row := range 3 + w.r.IntN(12) {
		id := fmt.Sprintf("P%d-%d", n, row)
		qty := fmt.Sprint(1 + w.r.IntN(90))
		if w.rows[id] = name; n%8 == 3 && row == 1 {
			qty, w.bad[id] = "many", true
		}
		fmt.Fprintf(&b, "%s;SO%d;SKU%d;%s;;2026-07-04T08:00:00;B%d;%d\n", id, n, row, qty, row, 100*n+row)
	}
	data, path := b.String(), filepath.Join(w.out, name)
	switch w.by {
	case "rename":
		w.put(path+".tmp", data, now)
		w.must(os.Rename(path+".tmp", path))
	case "marker":
		w.put(path, data, now)
		w.put(path+marker, "", now)
	default:
		cut := 1 + w.r.IntN(len(data)-1)
		w.put(path, data[:cut], now)
		w.half = append(w.half, func(now time.Time) { w.put(path, data, now) })
	}
}

// goOn writes the rest of what was begun.
func (w *writer) goOn(now time.Time) {
	for _, rest := range w.half {
		rest(now)
	}
	w.half = nil
}

// put writes a file as an append does: what is there stays.
func (w *writer) put(path, data string, now time.Time) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	w.must(err)
	_, err = f.WriteString(data)
	w.must(err)
	w.must(f.Close())
	w.must(os.Chtimes(path, now, now))
}

func (w *writer) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// Through a share that does all that shares do, with crashes of the agent in between, every row is told, once; every file lies in the archive, or in the error folder with its
// reason; what is wrong is named while it lasts and not afterwards.
//
// Shows: S38
func TestSharesAsTheyMisbehave(t *testing.T) {
	did := map[string]int{}
	for seed := range uint64(testenv.Count("wmsfile.shares")) {
		by := []string{"stable", "rename", "marker"}[seed%3]
		t.Run(fmt.Sprintf("%s-%d", by, seed), func(t *testing.T) {
			share := newShare(t, seed)
			misbehave(t, share, seed, by)
			for trouble, n := range share.Done() {
				did[trouble] += n
			}
		})
	}
	t.Logf("the shares did %v", did)
	for _, trouble := range []string{"late", "ghosts", "stale", "empty", "refused", "lied", "twice", "broken", "unlisted", "unseen"} {
		if did[trouble] == 0 && !t.Failed() && !t.Skipped() && len(did) > 0 {
			t.Errorf("no share was ever %s: the test shows nothing of it", trouble)
		}
	}
}

func misbehave(t *testing.T, share *sharefs.Share, seed uint64, by string) {
	t.Helper()
	share.Decomposed = seed%2 == 1
	share.Ahead = time.Duration(seed%3) * 4 * time.Minute
	s := wmsfile.SiteAt(t, strings.Replace(shareConfig, "BY", by, 1), share.Mountpoint)
	r := rand.New(rand.NewPCG(seed, 38))
	w := &writer{t: t, r: r, out: filepath.Join(share.Dir, "out"), by: by, rows: map[string]string{}, bad: map[string]bool{}}
	step := func(pass time.Duration) {
		share.Tick()
		if err := s.Step(pass); err != nil {
			s.Start() // the host crashed
		}
	}
	trouble := bad
	trouble.NoLinks = seed%4 > 1
	share.Trouble(trouble)
	files := testenv.Count("wmsfile.share-files")
	for n := range files {
		w.goOn(s.Now())
		w.write(n, s.Now())
		switch r.IntN(12) {
		case 0:
			s.Crash(r.IntN(2), r.IntN(2) == 0)
		case 1:
			s.Start()
		}
		for range 1 + r.IntN(4) {
			step(time.Second)
		}
		if n == files/2 {
			away(t, share, s, step)
		}
	}
	w.goOn(s.Now())
	for range 40 {
		step(time.Second)
	}
	share.Trouble(sharefs.Troubles{})
	for range 200 {
		step(5 * time.Second)
	}
	w.verify(s)
	if t.Failed() {
		t.Logf("seed %d, the share did %v", seed, share.Done())
	}
}

// away takes the line away for a while: a person hears of it, and of its end.
func away(t *testing.T, share *sharefs.Share, s wmsfile.Site, step func(time.Duration)) {
	t.Helper()
	share.Away(true)
	for range 5 {
		step(time.Second)
	}
	if d := s.Devices(); len(d) == 0 || d[0].GetReachable() || !strings.Contains(d[0].GetText(), "cannot be read") {
		t.Errorf("the share is away, and devices are %v", d)
	}
	share.Away(false)
}

// verify looks at what became of everything, from the server's side.
func (w *writer) verify(s wmsfile.Site) {
	w.t.Helper()
	told := map[string]map[string]bool{}
	for _, e := range s.Told() {
		if e.GetDeadLetter() != nil {
			continue
		}
		task := e.GetPick().GetTask()
		if told[task] == nil {
			told[task] = map[string]bool{}
		}
		told[task][s.ID(e)] = true
	}
	for id, file := range w.rows {
		if want := 1; !w.bad[id] && len(told[id]) != want {
			w.t.Errorf("pick %s of %s was told as %d events", id, file, len(told[id]))
		}
	}
	if len(told) != len(w.rows)-len(w.bad) {
		w.t.Errorf("%d picks were told, of %d", len(told), len(w.rows)-len(w.bad))
	}
	left := names(w.t, w.out)
	archive, errs := names(w.t, filepath.Join(w.out, "archive")), names(w.t, filepath.Join(w.out, "error"))
	if len(left) > 0 {
		w.t.Errorf("left in the folder: %v", left)
	}
	files := map[string]bool{}
	for _, name := range w.rows {
		files[name] = true
	}
	for name := range files {
		stem, ending, _ := strings.Cut(name, ".")
		there := func(n string) bool { return strings.HasPrefix(n, stem+".") && strings.HasSuffix(n, "."+ending) }
		if !slices.ContainsFunc(archive, there) && !slices.ContainsFunc(errs, there) {
			w.t.Errorf("%s lies nowhere", name)
		}
	}
	w.whole(archive, nil)
	w.whole(errs, []string{".txt"})
	for _, c := range s.Conditions() {
		if c.GetCode() != "files_refused" {
			w.t.Errorf("all is well, and still there is %v", c)
		}
	}
	if d := s.Devices(); len(d) == 0 || !d[0].GetReachable() {
		w.t.Errorf("all is well, and devices are %v", d)
	}
}

// whole says that each file has its result beside it, with whatever else belongs to it, and nothing else lies there.
func (w *writer) whole(folder, beside []string) {
	w.t.Helper()
	for _, name := range folder {
		switch lower := strings.ToLower(name); {
		case strings.HasSuffix(lower, ".rejected.csv"):
		case strings.HasSuffix(lower, ".csv"):
			for _, suffix := range append(beside, ".result.json") {
				if !slices.Contains(folder, name+suffix) {
					w.t.Errorf("%s lies there without its %s", name, suffix)
				}
			}
		case strings.HasSuffix(name, ".result.json"), strings.HasSuffix(name, ".txt"):
			if of := strings.TrimSuffix(strings.TrimSuffix(name, ".result.json"), ".txt"); !slices.Contains(folder, of) {
				w.t.Errorf("%s lies there without its file", name)
			}
		default:
			w.t.Errorf("%s lies there", name)
		}
	}
}

func names(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, e := range entries {
		if !e.IsDir() {
			out[norm.NFC.String(e.Name())] = true
		}
	}
	return slices.Sorted(maps.Keys(out))
}
