package posting_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	connectorhttp "github.com/dockline/dockline/collector/connector/http"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/testenv/sandbox"
)

// What a sender's process is told by its environment: the database, the ERP, its name, and the longest call.
const (
	senderDatabase = "DOCKLINE_TEST_DATABASE"
	senderERP      = "DOCKLINE_TEST_ERP"
	senderHolder   = "DOCKLINE_TEST_HOLDER"
	senderCall     = "DOCKLINE_TEST_CALL"
)

// TestMain is the tests, or a process that sends what stands in a database and does nothing else.
func TestMain(m *testing.M) {
	if os.Getenv(senderDatabase) == "" {
		os.Exit(m.Run())
	}
	if err := sendOnly(); err != nil {
		fmt.Fprintln(os.Stderr, "sender:", err)
		os.Exit(1)
	}
}

func sendOnly() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	d, err := db.Open(ctx, os.Getenv(senderDatabase))
	if err != nil {
		return err
	}
	defer d.Close()
	call, err := time.ParseDuration(os.Getenv(senderCall))
	if err != nil {
		return err
	}
	c, err := connectTo(os.Getenv(senderERP), 100*time.Millisecond)
	if err != nil {
		return err
	}
	s := &posting.Sender{DB: d, Target: "erp", Connector: c, Holder: os.Getenv(senderHolder), CallTimeout: call, Lease: call + call/4, Idle: 5 * time.Millisecond,
		Scan: 50 * time.Millisecond, RetryFirst: 10 * time.Millisecond, OpenFirst: 20 * time.Millisecond, OpenLongest: 50 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	return s.Run(ctx)
}

// connectTo is the connector that ships, for one ERP.
func connectTo(url string, settle time.Duration) (*connectorhttp.Connector, error) {
	return connectorhttp.New(connectorhttp.Config{Name: "erp", URL: url, Definition: "sandbox-erp", SettleTime: settle,
		Rate: connectorhttp.Rate{PerSecond: 100_000, Burst: 1000}})
}

// process starts a sender of the desk's postings; it ends with the test.
func (d *desk) process(holder string, call time.Duration) *exec.Cmd {
	d.t.Helper()
	log, err := os.OpenFile(d.dir+"/"+holder+".log", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), senderDatabase+"="+d.url, senderERP+"="+d.http.URL(), senderHolder+"="+holder, senderCall+"="+call.String())
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { kill(cmd) })
	return cmd
}

// kill ends a process without a word, and waits until it is gone.
func kill(cmd *exec.Cmd) {
	if cmd.ProcessState == nil {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	}
}

// log is what a sender's process wrote.
func (d *desk) log(holder string) func() string {
	return func() string {
		text, _ := os.ReadFile(d.dir + "/" + holder + ".log") // for the failure's text alone
		return string(text[max(0, len(text)-4000):])
	}
}

// clock is a clock that tests move.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

// inProcess is a sender on a clock of its own.
func (d *desk) inProcess(c *clock) *posting.Sender {
	d.t.Helper()
	target, err := connectTo(d.http.URL(), 2*time.Second)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(target.Close)
	d.db.Now = c.Now
	return &posting.Sender{DB: d.db, Target: "erp", Connector: target, Holder: "c1", Now: c.Now}
}

// until steps and lets time pass, second by second, until all postings of an order stand in one of these states.
func (d *desk) until(s *posting.Sender, c *clock, order string, states ...posting.State) {
	d.t.Helper()
	for range 600 {
		for {
			n, err := s.Step(d.t.Context())
			if err != nil {
				d.t.Fatal(err)
			}
			if n == 0 {
				break
			}
		}
		if d.all(order, states...) {
			return
		}
		c.now = c.now.Add(time.Second)
	}
	d.t.Fatalf("not settled after ten minutes:\n%s", d.told(order)())
}

// once wants exactly one document in the ERP for each of these references, and nothing else that names the order.
func (d *desk) once(order string, want map[connector.Kind][]string) {
	d.t.Helper()
	have := d.documents(order)
	for kind, references := range want {
		for _, r := range references {
			if n := have[kind][r]; n != 1 {
				d.t.Errorf("%s %s: %d documents, want one", kind, r, n)
			}
			delete(have[kind], r)
		}
	}
	for kind, left := range have {
		for r, n := range left {
			d.t.Errorf("%s %s: %d documents, want none", kind, r, n)
		}
	}
}

// documents counts what the ERP has of an order, by kind and reference.
func (d *desk) documents(order string) map[connector.Kind]map[string]int {
	d.t.Helper()
	out := map[connector.Kind]map[string]int{}
	add := func(kind connector.Kind, of, reference string) {
		if of == order {
			if out[kind] == nil {
				out[kind] = map[string]int{}
			}
			out[kind][reference]++
		}
	}
	fail := func(err error) {
		if err != nil {
			d.t.Fatal(err)
		}
	}
	issues, err := d.shop.Issues(d.t.Context())
	fail(err)
	invoices, err := d.shop.Invoices(d.t.Context())
	fail(err)
	adjustments, err := d.shop.Adjustments(d.t.Context())
	fail(err)
	amendments, err := d.shop.Amendments(d.t.Context())
	fail(err)
	taken, err := d.shop.IssueReversals(d.t.Context())
	fail(err)
	unbilled, err := d.shop.InvoiceReversals(d.t.Context())
	fail(err)
	for _, x := range taken {
		add(connector.GoodsIssueReversal, x.Order, x.ExternalReference)
	}
	for _, x := range unbilled {
		add(connector.InvoiceReversal, x.Order, x.ExternalReference)
	}
	for _, x := range issues {
		add(connector.GoodsIssue, x.Order, x.ExternalReference)
	}
	for _, x := range invoices {
		add(connector.InvoiceTrigger, x.Order, x.ExternalReference)
	}
	for _, x := range adjustments {
		add(connector.StockAdjustment, x.Count[len("count-"):], x.ExternalReference)
	}
	for _, x := range amendments {
		add(connector.OrderAmendment, x.Order, x.ExternalReference)
	}
	return out
}

// calls are those that wanted to change something of an order.
func (d *desk) calls(order string) (of []sandbox.Call) {
	d.t.Helper()
	all, err := d.shop.Calls(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	for _, c := range all {
		if strings.Contains(c.Reference, order) {
			of = append(of, c)
		}
	}
	return of
}

// saysLate tells whether a sender wrote that it heard an answer after its lease.
func saysLate(log string) bool { return strings.Contains(log, "answer came after the posting's lease") }
