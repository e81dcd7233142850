package remote_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/remote"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// The limits of an account hold for each request that a program makes, whoever shares it; a request that may not be sent is told to the program, and
// to who asked, as one that was not.
//
// Shows: S1, S26
func TestLimitsHoldForEachRequestOfAProgram(t *testing.T) {
	w := open(t, "[]", "")
	a := &connector.Account{Name: "erp-main", Limits: connector.Limits{Calls: 4, Per: time.Hour, Parallel: 2}}
	g := connector.Govern(w.Connector, a)
	p := invoice("SO1")
	for range 3 {
		if _, err := g.Find(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := g.Apply(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if n, of := a.Stats().Calls, connector.Requests(g); n != 4 || of[connector.FindCall] != 3 || of[connector.ApplyCall] != 1 {
		t.Errorf("the account counts %d requests, and of them %v", n, of)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := g.Apply(ctx, invoice("SO2"))
	if f := faultOf(t, err); !f.Unasked || f.Unknown || f.Code != "target_resting" {
		t.Errorf("a request beyond the limits is %+v: %v", f, f)
	}
	if n := w.memory.Effects(connector.InvoiceTrigger, "SO2"); n != 0 {
		t.Errorf("it had %d effects", n)
	}
}

// The book of a large warehouse is more than one message of gRPC takes by itself.
func TestALargeAnswer(t *testing.T) {
	w := open(t, "[]", "")
	const items = 60_000
	for i := range items {
		w.memory.Book("dc-east", fmt.Sprintf("an item with a name that is rather long, as they are, %06d", i), "12.5")
	}
	books, err := w.Snapshot(t.Context(), connector.Scope{Site: "dc-east"})
	if err != nil || len(books) != 1 || len(books[0].GetStockSnapshot().GetLines()) != items {
		t.Errorf("%d books, %v", len(books), err)
	}
	const facts = 300
	for i := range facts {
		w.memory.Happen(&docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED, Subject: fmt.Sprint(i)})
	}
	var since connector.Cursor
	n := 0
	for more := true; more; {
		c, err := w.Changes(t.Context(), since)
		if err != nil {
			t.Fatal(err)
		}
		n, since, more = n+len(c.Events), c.Cursor, c.More
	}
	if n != facts {
		t.Errorf("%d facts of %d", n, facts)
	}
}

// A program that declares something else after a restart is not let in: what follows from its kinds was settled when the collector began.
func TestAnotherProgramAfterARestart(t *testing.T) {
	kinds := filepath.Join(t.TempDir(), "kinds")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(kinds, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("invoice_trigger")
	w := openWith(t, "target", "[]", "", fmt.Sprintf("secrets: {kinds: %s}", kinds))
	if len(w.Kinds()) != 1 {
		t.Fatalf("kinds %v", w.Kinds())
	}
	write("invoice_trigger crm_case")
	kill(t, w.Stats().Pid)
	w.eventually("it is refused", func() bool {
		_, err := w.Probe(t.Context())
		return err != nil && faultOf(t, err).Code == remote.CodeDown && strings.Contains(err.Error(), "another program now") && strings.Contains(err.Error(), "crm_case")
	})
	write("invoice_trigger")
	w.answers()
	if len(w.Kinds()) != 1 {
		t.Errorf("kinds %v", w.Kinds())
	}
}

// A program that has nothing but gRPC, as in another language, is a connector too. It has no part in mutual TLS, hears by its standard input that the
// collector goes, and what it writes to standard error is in the log.
//
// Shows: S1
func TestAProgramWithNothingButGRPC(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("mtls: off is refused on Windows") // TestAProgramThatCannotBeUsed has what is refused
	}
	w := openWith(t, "bare", "[]", "", "mtls: off")
	p := invoice("SO1")
	if _, err := w.Apply(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if found, err := w.Find(t.Context(), p); err != nil || len(found) != 1 || !found[0].Complete {
		t.Errorf("found %+v, %v", found, err)
	}
	pid := w.Stats().Pid
	kill(t, pid)
	w.answers()
	if s := w.Stats(); s.Starts != 2 || s.Pid == pid {
		t.Errorf("%+v", s)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	w.eventually("its words are in the log", func() bool {
		return strings.Contains(w.log.String(), "a line in no form at all") && strings.Contains(w.log.String(), "the collector has gone")
	})
}
