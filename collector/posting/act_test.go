package posting_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/posting"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

var ann = posting.Say{Tenant: tenant, By: "ann", Reason: "the ERP is being updated"}

// acts counts what is kept of people's acts, by action.
func (w *world) acts() map[string]int {
	w.t.Helper()
	out := map[string]int{}
	err := w.db.Read(w.t.Context(), func(tx *db.Tx) error {
		list, err := audit.List(w.t.Context(), tx, tenant, audit.Filter{})
		for _, e := range list {
			out[e.Action]++
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// A person pauses a target: nothing is sent and nothing asked, until somebody resumes it.
func TestPauseAndResume(t *testing.T) {
	each(t, func(w *world) {
		s := w.sender("c1")
		w.write(func(tx *db.Tx) error { return posting.Hold(t.Context(), tx, ann, "erp", w.clock.Now()) })
		called := 0
		w.fail(func(string, *connector.Posting) connectortest.Failure { called++; return connectortest.None })
		w.put(fold, goodsIssue("SO1", "S1", 5))
		w.pass(s, time.Minute)
		w.expect("SO1/S1", posting.Ready)
		if called != 0 || !s.Stats().Paused {
			w.t.Errorf("%d calls while paused; shown as paused: %v", called, s.Stats().Paused)
		}
		err := w.db.Write(t.Context(), func(tx *db.Tx) error { return posting.Hold(t.Context(), tx, ann, "erp", w.clock.Now()) })
		if err == nil || !strings.Contains(err.Error(), "ann") {
			w.t.Errorf("paused twice: %v", err)
		}
		w.write(func(tx *db.Tx) error { return posting.Resume(t.Context(), tx, ann, "erp", w.clock.Now()) })
		w.pass(s, time.Second)
		w.expect("SO1/S1", posting.Confirmed)
		if got := w.acts(); got["posting.pause"] != 1 || got["posting.resume"] != 1 {
			w.t.Errorf("acts: %v", got)
		}
	})
}

// Many postings are tried again by one word: in portions, with progress to be read, and cancelled in the middle; a sender that takes over goes
// on where the one before ended.
//
// Shows: A10
func TestBulkRetry(t *testing.T) {
	const n = 250
	each(t, func(w *world) {
		bad := true
		w.fail(func(op string, p *connector.Posting) connectortest.Failure {
			if bad && op == "create" {
				return connectortest.BadData
			}
			return connectortest.None
		})
		for i := range n {
			d := invoice(fmt.Sprintf("SO%d", i), "S1")
			d.Needs, d.SerialKey = nil, ""
			w.put(fmt.Sprintf("order/SO%d", i), d)
		}
		s := w.sender("c1", func(s *posting.Sender) { s.Parallel = 20 })
		w.quiet(s)
		bad = false
		var job *posting.Job
		start := func() {
			w.write(func(tx *db.Tx) (err error) {
				job, err = posting.Start(t.Context(), tx, ann, posting.Again{Target: "erp", Code: "item_unknown"}, w.clock.Now())
				return err
			})
		}
		read := func() *posting.Job {
			var j *posting.Job
			w.write(func(tx *db.Tx) (err error) {
				j, err = posting.JobOf(t.Context(), tx, tenant, job.ID)
				return err
			})
			return j
		}
		start()
		if job.Total != n {
			w.t.Fatalf("%d are to be tried again, want %d", job.Total, n)
		}
		if _, err := s.Step(t.Context()); err != nil {
			w.t.Fatal(err)
		}
		if j := read(); j.LookedAt != 100 || j.State != posting.JobRunning {
			w.t.Fatalf("after one step: %+v", j)
		}
		w.write(func(tx *db.Tx) error {
			_, err := posting.Cancel(t.Context(), tx, ann, job.ID, w.clock.Now())
			return err
		})
		w.quiet(s)
		if j := read(); j.State != posting.JobCancelled || j.Came[posting.Confirmed] != 100 || j.LookedAt != 100 {
			w.t.Errorf("cancelled: %+v", j)
		}
		start()
		if job.Total != n-100 {
			w.t.Errorf("%d left to be tried again, want %d", job.Total, n-100)
		}
		if _, err := s.Step(t.Context()); err != nil {
			w.t.Fatal(err)
		}
		w.clock.advance(time.Minute) // that sender is gone
		w.pass(w.sender("c2", func(s *posting.Sender) { s.Parallel = 20 }), settleTime+time.Second)
		if j := read(); j.State != posting.JobDone || j.LookedAt != n-100 || j.Tried != n-100 || j.Came[posting.Confirmed] != n-100 {
			w.t.Errorf("done: %+v", j)
		}
		if made := len(w.target.Keys(connector.InvoiceTrigger)); made != n {
			w.t.Errorf("%d documents, want %d", made, n)
		}
		if got := w.acts(); got["posting.retry"] != 2 || got["posting.cancel"] != 1 {
			w.t.Errorf("acts: %v", got)
		}
	})
}

// What a person waives is left alone until it changes.
func TestWaive(t *testing.T) {
	w := newWorld(t, testenv.SQLite(t))
	w.fail(once(connectortest.BadProcess, "create"))
	d := invoice("SO1", "S1")
	d.Needs = nil
	w.put(fold, d)
	s := w.sender("c1")
	w.pass(s, time.Second)
	w.expect(d.Key, posting.Rejected)
	w.write(func(tx *db.Tx) error { return posting.Waive(t.Context(), tx, ann, d.Ref(), w.clock.Now()) })
	w.put(fold, d)
	w.pass(s, time.Minute)
	if e := w.expect(d.Key, posting.Superseded); !e.Waived {
		t.Error("it is not shown as waived")
	}
	if got := w.exceptions(); len(got) != 0 {
		t.Errorf("exceptions: %v", got)
	}
	d.Document.GetInvoiceTrigger().Shipment = "S2"
	w.put(fold, d)
	w.pass(s, time.Second)
	w.expect(d.Key, posting.Confirmed)
}

// A document bears the day on which it happened where that is open, else the first open day, and stands on the cut-off list then: whether the
// policy knows that the period is closed, or the target says so when it refuses.
func TestPostingDate(t *testing.T) {
	each(t, func(w *world) {
		closed := "2025-10-31"
		days := func(_ connector.Kind, at time.Time, notBefore string) (string, string) {
			day := at.Format(time.DateOnly)
			open := max(day, notBefore)
			if open <= closed {
				open = "2025-11-01"
			}
			return day, open
		}
		s := w.sender("c1", func(s *posting.Sender) { s.Days = days })
		left := func(order, day string) posting.Desired {
			at, err := time.Parse(time.DateOnly, day)
			if err != nil {
				t.Fatal(err)
			}
			d := goodsIssue(order, "S", 1)
			d.Document.GetGoodsIssue().DepartedAt = timestamppb.New(at.Add(20 * time.Hour))
			return d
		}
		w.put("order/A", left("A", "2025-11-02"))
		w.put("order/B", left("B", "2025-10-30"))
		w.pass(s, time.Second)
		refused := 0
		w.target.Fault = func(op string, p *connector.Posting) error {
			if op == "bind" && p.PostingDate <= "2025-11-02" {
				refused++
				return &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_PROCESS, Code: "period_closed", Text: "closed", OpenFrom: "2025-11-03"}
			}
			return nil
		}
		w.put("order/C", left("C", "2025-11-01"))
		w.pass(s, time.Second)
		for key, want := range map[string]string{"A/S": "2025-11-02", "B/S": "2025-11-01", "C/S": "2025-11-03"} {
			if e := w.expect(key, posting.Confirmed); e.PostingDate != want {
				w.t.Errorf("%s is posted under %s, want %s", key, e.PostingDate, want)
			}
		}
		if refused != 1 {
			w.t.Errorf("the target refused the day %d times", refused)
		}
		var list []posting.Cutoff
		w.write(func(tx *db.Tx) (err error) {
			list, err = posting.Cutoffs(t.Context(), tx, tenant, "", 0)
			return err
		})
		got := map[string]string{}
		for _, c := range list {
			got[c.Reference] = c.HappenedOn + " " + c.PostedOn + " " + c.Reason
		}
		if len(got) != 2 || got["B/S"] != "2025-10-30 2025-11-01 closed by the policy" || got["C/S"] != "2025-11-01 2025-11-03 closed in erp" {
			w.t.Errorf("cut-off list: %v", got)
		}
	})
}

// A batch goes at its hour, somebody's question goes ahead of the row, and what each took is held against what it may take.
//
// Shows: S20
func TestTimingClass(t *testing.T) {
	each(t, func(w *world) {
		began := w.clock.Now()
		wanted := func(order string, class posting.Timing, at time.Time, within time.Duration) posting.Desired {
			d := goodsIssue(order, "S", 1)
			d.Timing, d.NotBefore, d.Within = class, at, within
			return d
		}
		w.put("order/B", wanted("B", posting.Batched, began.Add(time.Hour), time.Minute))
		w.put("order/N", wanted("N", posting.NearRealTime, time.Time{}, time.Second))
		w.put("order/S", wanted("S", posting.Synchronous, time.Time{}, time.Second))
		var order []string
		w.fail(func(op string, p *connector.Posting) connectortest.Failure {
			if op == "done" {
				order = append(order, p.Key)
			}
			return connectortest.None
		})
		s := w.sender("c1")
		w.clock.advance(3 * time.Second)
		w.pass(s, 30*time.Minute)
		w.expect("B/S", posting.Ready)
		w.pass(s, 31*time.Minute)
		if fmt.Sprint(order) != "[S/S N/S B/S]" {
			w.t.Errorf("told in the order %v", order)
		}
		var took []posting.Took
		w.write(func(tx *db.Tx) (err error) {
			took, err = posting.Timings(t.Context(), tx, tenant, began, w.clock.Now())
			return err
		})
		var counted []*posting.Histogram
		w.write(func(tx *db.Tx) (err error) {
			counted, err = posting.Histograms(t.Context(), tx, true)
			return err
		})
		// The batch and the question are of a class each; what took 3 s is within 5 s and not within 2 s.
		for _, h := range counted {
			within2, within5 := h.Counts[4], h.Counts[5]
			if slow := h.Class != posting.Batched; h.N != 1 || h.Kind != connector.GoodsIssue || h.Site != "dc-east" || slow && (within5 != 1 || within2 != 0 || h.Late != 1) || !slow && h.Late != 0 {
				w.t.Errorf("counted: %+v", h)
			}
		}
		if len(counted) != 3 {
			w.t.Errorf("%d classes are counted, want 3", len(counted))
		}
		late := map[posting.Timing]int64{}
		for _, k := range took {
			if k.N != 1 || k.Waiting != 0 {
				w.t.Errorf("%+v", k)
			}
			late[k.Class] = k.Late
		}
		if len(took) != 3 || late[posting.Batched] != 0 || late[posting.NearRealTime] != 1 {
			w.t.Errorf("what they took: %+v", took)
		}
		e, err := posting.Verdict(t.Context(), w.db, tenant, goodsIssue("S", "S", 1).Ref(), time.Second)
		if err != nil || e.State != posting.Confirmed {
			w.t.Errorf("verdict: %v, %v", e, err)
		}
	})
}

// What is not sent says why: its target is paused, what it needs is not confirmed, another of its order goes before, its hour has not come. A bulk
// retry to a paused target says so too.
//
// Shows: A3, A10
func TestWhatItWaitsFor(t *testing.T) {
	each(t, func(w *world) {
		w.write(func(tx *db.Tx) error { return posting.Hold(t.Context(), tx, ann, "erp", w.clock.Now()) })
		later := status("SO2", "packed", 1)
		later.Timing, later.NotBefore = posting.Batched, w.clock.Now().Add(time.Hour)
		second := goodsIssue("SO1", "S2", 1)
		w.put(fold, goodsIssue("SO1", "S1", 5), invoice("SO1", "S1"), second)
		w.put("order/SO2", later)
		says := func(key string, want ...string) {
			t.Helper()
			list := []posting.Entry{w.entry(key)}
			if err := w.db.Read(t.Context(), func(tx *db.Tx) error { return posting.Explain(t.Context(), tx, list, w.clock.Now()) }); err != nil {
				t.Fatal(err)
			}
			for _, text := range want {
				if !strings.Contains(list[0].Waits, text) {
					t.Errorf("%s waits for %q, want it to say %q", key, list[0].Waits, text)
				}
			}
			if len(want) == 0 && list[0].Waits != "" {
				t.Errorf("%s waits for %q", key, list[0].Waits)
			}
		}
		says("SO1/S1", "paused", "ann", "the ERP is being updated", "posting resume erp")
		says("inv/SO1/S1", "paused", "it needs erp/goods_issue/SO1/S1, which is ready")
		says("SO1/S2", "before it comes erp/goods_issue/SO1/S1, which is ready")
		says("SO2", "its hour comes at 2025-11-03 09:00:00 UTC")
		var job *posting.Job
		w.write(func(tx *db.Tx) (err error) {
			job, err = posting.Start(t.Context(), tx, ann, posting.Again{Target: "erp", States: []posting.State{posting.Ready}}, w.clock.Now())
			return err
		})
		s := w.sender("c1")
		w.pass(s, 10*time.Second)
		read := func() *posting.Job {
			t.Helper()
			if err := w.db.Read(t.Context(), func(tx *db.Tx) (err error) { job, err = posting.JobOf(t.Context(), tx, tenant, job.ID); return err }); err != nil {
				t.Fatal(err)
			}
			return job
		}
		if !strings.Contains(read().Waits, "paused") || job.Ended() {
			t.Errorf("a job of a paused target: %+v", job)
		}
		w.write(func(tx *db.Tx) error { return posting.Resume(t.Context(), tx, ann, "erp", w.clock.Now()) })
		w.pass(s, time.Minute)
		says("SO1/S1")
		if read().Waits != "" || !job.Ended() {
			t.Errorf("the job when its target is told again: %+v", job)
		}
	})
}
