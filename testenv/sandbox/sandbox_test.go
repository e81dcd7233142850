package sandbox_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv/sandbox"
)

// start serves a handler that counts what reached it.
func start(t *testing.T, f sandbox.Faults) (*sandbox.Server, *sandbox.Injector, *int) {
	t.Helper()
	reached := 0
	injector := sandbox.NewInjector(1, f)
	s := sandbox.NewServer("127.0.0.1:0", injector.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached++
		sandbox.Write(w, http.StatusOK, map[string]bool{"ok": true})
	})))
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s, injector, &reached
}

func post(ctx context.Context, url string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/api/x", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// Each mode fails as its name says, and says truly whether there was an effect.
func TestModes(t *testing.T) {
	for _, tc := range []struct {
		mode   sandbox.Mode
		status int
		effect int
	}{
		{sandbox.Fine, 200, 1}, {sandbox.ErrorBefore, 500, 0}, {sandbox.Busy, 503, 0},
		{sandbox.LostAnswer, 0, 1}, {sandbox.TimeoutBefore, 0, 0}, {sandbox.TimeoutAfter, 0, 1},
	} {
		s, injector, reached := start(t, sandbox.Faults{Hang: 20 * time.Millisecond})
		injector.Next(tc.mode)
		status, err := post(t.Context(), s.URL())
		s.Stop() // ends the handler, so that reached may be read
		if status != tc.status || (err != nil) != (tc.status == 0) || *reached != tc.effect {
			t.Errorf("%q: status %d, %v, reached %d", tc.mode, status, err, *reached)
		}
	}
}

func TestRateIsSeeded(t *testing.T) {
	s, injector, _ := start(t, sandbox.Faults{Rate: 0.5, Modes: []sandbox.Mode{sandbox.ErrorBefore}})
	var answers string
	for range 40 {
		status, err := post(t.Context(), s.URL())
		if err != nil {
			t.Fatal(err)
		}
		answers += map[int]string{200: ".", 500: "x"}[status]
	}
	counts := injector.Counts()
	if counts[sandbox.ErrorBefore]+counts[sandbox.Fine] != 40 || counts[sandbox.ErrorBefore] < 10 || counts[sandbox.ErrorBefore] > 30 {
		t.Errorf("counts %v", counts)
	}
	again, _, _ := start(t, injector.Faults())
	for i := range 40 {
		status, err := post(t.Context(), again.URL())
		if err != nil {
			t.Fatal(err)
		}
		if got := map[int]string{200: ".", 500: "x"}[status]; got != answers[i:i+1] {
			t.Fatalf("request %d differs from the first run", i)
		}
	}
}

// A stopped server refuses connections; started again it is at the same address.
func TestStopAndStart(t *testing.T) {
	s, _, _ := start(t, sandbox.Faults{})
	url := s.URL()
	s.Stop()
	if _, err := post(t.Context(), url); !errors.Is(err, syscall.ECONNREFUSED) || s.Running() {
		t.Errorf("stopped: %v", err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	if status, err := post(t.Context(), url); status != http.StatusOK {
		t.Errorf("started again: %d, %v", status, err)
	}
}

func TestLedgerCutsTornLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x", "l.jsonl")
	var lines []string
	open := func() *sandbox.Ledger {
		lines = nil
		l, err := sandbox.OpenLedger(path, func(line []byte) error { lines = append(lines, string(line)); return nil })
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := open()
	if err := errors.Join(l.Append(1), l.Append(2), l.Close()); err != nil {
		t.Fatal(err)
	}
	l = open()
	if err := errors.Join(l.Append(3), l.Close()); err != nil {
		t.Fatal(err)
	}
	l = open()
	defer l.Close()
	if len(lines) != 3 || lines[2] != "3\n" {
		t.Errorf("lines %q", lines)
	}
}
