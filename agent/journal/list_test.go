package journal_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dockline/dockline/agent/journal"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

// listed are the numbers of the picks that a list gives.
func listed(t *testing.T, each func(context.Context, bool, func(journal.Held) bool) error, all bool) (numbers []int, acknowledged int, err error) {
	t.Helper()
	err = each(t.Context(), all, func(h journal.Held) bool {
		n := -1
		if h.Event != nil {
			if _, err := fmt.Sscanf(h.Event.GetSourceKey(), "pick-%d", &n); err != nil {
				t.Errorf("%v: %v", h, err)
			}
		}
		if h.Acknowledged {
			acknowledged++
		}
		numbers = append(numbers, n)
		return true
	})
	return numbers, acknowledged, err
}

func wantRun(t *testing.T, what string, numbers []int, first, count int) {
	t.Helper()
	if len(numbers) != count {
		t.Fatalf("%s: %d events, want %d", what, len(numbers), count)
	}
	for i, n := range numbers {
		if n != first+i {
			t.Fatalf("%s: number %d is pick %d", what, i, n)
		}
	}
}

// What is held is listed in order: packs, the tail behind them, over several epochs, with and without what the collector has, beside the
// open journal and from the folder of a closed one; and listing tells nobody that anything was sent.
func TestEach(t *testing.T) {
	dir := testenv.Folder(t)
	j, err := journal.Open(dir, journal.Options{Tenant: "acme", Site: "dc-east", KeepAcknowledged: 1 << 50})
	if err != nil {
		t.Fatal(err)
	}
	appendEvents(t, j, "wms", 0, 1000)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if j, err = journal.Open(dir, journal.Options{Tenant: "acme", Site: "dc-east", KeepAcknowledged: 1 << 50}); err != nil {
		t.Fatal(err)
	}
	appendEvents(t, j, "wms", 1000, 250)
	envelopes, err := j.Next(journal.Position{}, 3)
	if err != nil {
		t.Fatal(err)
	}
	last := envelopes[len(envelopes)-1]
	if outcome, err := j.Trim(&docklinev1.Ack{Epoch: last.Epoch, Watermark: last.LastSeq, Crc: last.Crc}); err != nil || outcome != journal.Trimmed {
		t.Fatal(outcome, err)
	}
	done := int(last.LastSeq)
	check := func(what string, each func(context.Context, bool, func(journal.Held) bool) error) {
		t.Helper()
		numbers, acknowledged, err := listed(t, each, false)
		if err != nil || acknowledged != 0 {
			t.Errorf("%s: %d acknowledged, %v", what, acknowledged, err)
		}
		wantRun(t, what+", what waits", numbers, done, 1250-done)
		numbers, acknowledged, err = listed(t, each, true)
		if err != nil || acknowledged != done {
			t.Errorf("%s: %d acknowledged, want %d, %v", what, acknowledged, done, err)
		}
		wantRun(t, what+", all", numbers, 0, 1250)
	}
	check("open", j.Each)
	if s := j.Stats(); s.Events != uint64(1250-done) || s.Held != 1250 {
		t.Errorf("listing changed the journal: %+v", s)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Each(t.Context(), true, func(journal.Held) bool { return true }); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	check("closed", func(ctx context.Context, all bool, f func(journal.Held) bool) error {
		return journal.EachIn(ctx, dir, all, f)
	})
}

// A damaged file is named by Verify, beside the open journal and without it, and a list leaves out what cannot be read and says so.
func TestVerify(t *testing.T) {
	dir := testenv.Folder(t)
	o := journal.Options{Tenant: "acme", Site: "dc-east"}
	j, err := journal.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	appendEvents(t, j, "wms", 0, 3000)
	for _, r := range j.Verify(t.Context()) {
		if r.Fault != "" || r.Packs < 29 || r.LastSeq != 3000 {
			t.Errorf("a good file: %+v", r)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "epoch-*.db"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	at := len(data) / 2
	for data[at] == 0 {
		at++
	}
	data[at] ^= 4
	if err := os.WriteFile(files[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(_ context.Context, path string) error { return journal.CheckFile(path) }
	reports, err := journal.VerifyFolder(t.Context(), dir, check)
	if err != nil || len(reports) != 1 || !strings.Contains(reports[0].Fault, "damaged") {
		t.Errorf("a flipped bit: %+v %v", reports, err)
	}
	numbers, _, err := listed(t, func(ctx context.Context, all bool, f func(journal.Held) bool) error {
		return journal.EachIn(ctx, dir, all, f)
	}, true)
	if err == nil || len(numbers) >= 3000 {
		t.Errorf("a list of a damaged file has %d events and says %v", len(numbers), err)
	}
	if j, err = journal.Open(dir, o); err != nil { // it sets the file aside when it reads it
		t.Fatal(err)
	}
	defer j.Close()
	if err := j.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Next(journal.Position{}, 100); err != nil {
		t.Fatal(err)
	}
	aside := 0
	for _, r := range j.Verify(t.Context()) {
		if strings.Contains(r.File, ".damaged") && strings.Contains(r.Fault, "set aside") {
			aside++
		}
	}
	if aside != 1 {
		t.Errorf("%d files are told of as set aside", aside)
	}
}
