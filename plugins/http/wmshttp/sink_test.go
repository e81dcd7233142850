package wmshttp_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/http/wmshttp"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// opened is a plugin that hands work over.
func opened(t *testing.T, dir, config string) *wmshttp.Plugin {
	t.Helper()
	p := quiet()
	if faults := p.Check([]byte(config), source); len(faults) > 0 {
		t.Fatal(faults)
	}
	if err := p.Open(t.Context(), plugins.Start{Config: []byte(config), DataDir: dir, ID: source}); err != nil {
		t.Fatal(err)
	}
	return p
}

func (s *wms) handing() string { return "commands:\n  url: " + s.URL + workSections }

// lose answers nothing to the first n requests of a sort, after the system has done what they ask, or before.
func (s *wms) lose(method string, n int, done bool) {
	var mu sync.Mutex
	s.failing(func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		lost := r.Method == method && n > 0
		if lost {
			n--
		}
		mu.Unlock()
		if !lost {
			return false
		}
		if done {
			s.take(discarded{}, r)
		}
		panic(http.ErrAbortHandler)
	})
}

// discarded is an answer that never arrives.
type discarded struct{}

func (discarded) Header() http.Header         { return http.Header{} }
func (discarded) Write(p []byte) (int, error) { return len(p), nil }
func (discarded) WriteHeader(int)             {}

// An answer that was lost, before or after the system did the work, and a lost disk: each release is done once.
//
// Shows: E22
func TestWorkIsDoneOnceWhenTheAnswerIsLost(t *testing.T) {
	for name, test := range map[string]struct {
		done    bool
		newDisk bool
	}{"after it was done": {true, false}, "before it was done": {false, false}, "after it was done, and the disk too": {true, true}} {
		t.Run(name, func(t *testing.T) {
			s := newWMS(t)
			dir := t.TempDir()
			p := opened(t, dir, s.handing())
			s.lose("POST", 1, test.done)
			result, err := p.Deliver(t.Context(), cancel(1))
			if test.done && (err != nil || result.GetOutcome() != docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED) {
				t.Errorf("%v, %v: it is looked for at once", result, err)
			}
			if !test.done && err == nil {
				t.Errorf("%v: nothing was done", result)
			}
			if test.newDisk {
				dir = t.TempDir()
			}
			p = opened(t, dir, s.handing())
			for range 2 {
				if result, err = p.Deliver(t.Context(), cancel(1)); err != nil || result.GetOutcome() != docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED {
					t.Fatalf("%v, %v", result, err)
				}
			}
			if s.effects() != 1 {
				t.Errorf("done %d times", s.effects())
			}
		})
	}
}

// What a system says no to is refused with its words, and not tried again; what it cannot do now is tried again; each under the same Idempotency-Key.
func TestARefusalIsNoTrouble(t *testing.T) {
	s := newWMS(t)
	config := s.handing() + `    errors:
      - {status: [409], when: 'body.code == "exists"', class: done}
      - {status: [500], when: 'body.code == "locked"', class: process, text: '"order is locked: " + body.by'}
      - {status: [422], when: 'body.code == "later"', class: technical}
`
	for name, test := range map[string]struct {
		status  int
		body    string
		outcome docklinev1.CommandOutcome // 0: it is tried again
		text    string
	}{
		"unknown order":   {422, `{"message":"no such order"}`, docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED, "no such order"},
		"bad request":     {400, `{"detail":"quantity is missing"}`, docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED, "quantity is missing"},
		"there already":   {409, `{"code":"exists"}`, docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED, ""},
		"in conflict":     {409, `{"code":"other","title":"picked already"}`, docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED, "picked already"},
		"locked":          {500, `{"code":"locked","by":"Ann"}`, docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED, "order is locked: Ann"},
		"broken":          {500, `oops`, 0, "status 500"},
		"busy":            {503, ``, 0, "503"},
		"later by rule":   {422, `{"code":"later"}`, 0, "later"},
		"no rights":       {403, ``, 0, "403"},
		"redirected away": {307, ``, 0, "307"},
	} {
		t.Run(name, func(t *testing.T) {
			var keys []string
			var mu sync.Mutex
			s.failing(func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != "POST" {
					return false
				}
				mu.Lock()
				defer mu.Unlock()
				keys = append(keys, r.Header.Get("Idempotency-Key"))
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
				w.WriteHeader(test.status)
				_, _ = fmt.Fprint(w, test.body)
				return true
			})
			p := opened(t, t.TempDir(), config)
			for range 2 {
				result, err := p.Deliver(t.Context(), cancel(1))
				if test.outcome == 0 {
					if err == nil || !strings.Contains(err.Error(), test.text) {
						t.Errorf("%v, %v", result, err)
					}
					continue
				}
				if err != nil || result.GetOutcome() != test.outcome || !strings.Contains(result.GetText(), test.text) {
					t.Errorf("%v, %v", result, err)
				}
			}
			want := 1
			if test.outcome == 0 {
				want = 2
			}
			if len(keys) != want || keys[0] != "cancel/SO1/1" || keys[len(keys)-1] != keys[0] {
				t.Errorf("sent under %v", keys)
			}
		})
	}
}

// A newer version that the system has makes an older one superseded, also where this disk never saw it.
func TestANewerVersionThereSupersedes(t *testing.T) {
	s := newWMS(t)
	if _, err := opened(t, t.TempDir(), s.handing()).Deliver(t.Context(), cancel(3)); err != nil {
		t.Fatal(err)
	}
	result, err := opened(t, t.TempDir(), s.handing()).Deliver(t.Context(), cancel(2))
	if err != nil || result.GetOutcome() != docklinev1.CommandOutcome_COMMAND_OUTCOME_SUPERSEDED || s.effects() != 1 {
		t.Errorf("%v, %v, %d effects", result, err, s.effects())
	}
	other := &docklinev1.Command{Key: "count/1", Version: 1, Work: &docklinev1.Command_RequestCount{RequestCount: &docklinev1.RequestCount{Number: "C1"}}}
	if result, err = opened(t, t.TempDir(), s.handing()).Deliver(t.Context(), other); err != nil || result.GetOutcome() != docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED {
		t.Errorf("work that is not described: %v, %v", result, err)
	}
}
