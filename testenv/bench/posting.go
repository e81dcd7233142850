package bench

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/collector/connector"
	connectorhttp "github.com/dockline/dockline/collector/connector/http"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/posting"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/sandbox"
)

// postingDocuments is how many documents one round posts, postingParallel how many are under way at once.
const (
	postingDocuments = 1000
	postingParallel  = 8
)

// posting measures what the way to a system of record costs beside what the system itself takes at best.
func (s *Suite) posting(ctx context.Context) error {
	v, err := s.rounds(func() ([]float64, error) { return s.postingOnce(ctx) })
	if err != nil {
		return err
	}
	s.beside("goods issues posted, each looked for, made and read back", v[0], "documents/s", reference{name: "the same documents written to the sandbox ERP by a bare client", value: v[1]}, atLeast(0.1))
	s.beside("documents that are there already, found and not made again", v[2], "documents/s", reference{name: "the same documents written to the sandbox ERP by a bare client", value: v[1]}, atLeast(0.2))
	s.beside("wishes that change nothing, refused", v[3], "postings/s", reference{name: "goods issues posted", value: v[0]}, atLeast(5))
	for _, run := range []struct {
		rate   float64
		orders int
	}{{10, 40}, {100, 400}, {1000, 2000}} {
		log, post, err := s.postedAt(ctx, run.rate, run.orders)
		if err != nil {
			return err
		}
		for _, q := range []float64{0.5, 0.95, 0.99} {
			s.beside(fmt.Sprintf("%.0f movements/s, capture to log, p%.0f", run.rate, 100*q), Quantile(log, q), "ms", reference{name: "what operations are promised", value: 2000}, atMost(1))
			s.beside(fmt.Sprintf("%.0f movements/s, log to confirmed goods issue, p%.0f", run.rate, 100*q), Quantile(post, q), "ms", reference{name: "what operations are promised", value: 10_000}, atMost(1))
		}
	}
	return nil
}

// till is a sandbox ERP with orders that wait for their goods issues.
type till struct {
	server *erp.Server
	web    *sandbox.Server
	client *erp.Client
	orders []string
}

func openTill(ctx context.Context, dir string, orders int) (*till, error) {
	master := &erp.Master{Customers: []erp.Customer{{Code: "C-1", Currency: "EUR"}}, Sites: []erp.Site{{Code: "dc-east", Bins: []string{"A-01"}}},
		Items: []erp.Item{{Code: "BOLT", Unit: erp.Each, Price: decimal.NewFromInt(2)}},
		Stock: []erp.StockLine{{Site: "dc-east", Bin: "A-01", Item: "BOLT", Unit: erp.Each, Quantity: decimal.NewFromInt(1_000_000)}}}
	server, err := erp.New(erp.Config{Dir: dir, Master: master})
	if err != nil {
		return nil, err
	}
	t := &till{server: server, web: sandbox.NewServer("127.0.0.1:0", server)}
	if err := t.web.Start(); err != nil {
		return nil, err
	}
	t.client = erp.NewClient(t.web.URL(), "")
	for range orders {
		o, err := t.client.ImportOrder(ctx, erp.NewOrder{Customer: "C-1", Site: "dc-east", Lines: []erp.NewOrderLine{{Item: "BOLT", Quantity: decimal.NewFromInt(5)}}})
		if err != nil {
			return nil, err
		}
		t.orders = append(t.orders, o.Number)
	}
	return t, nil
}

func (t *till) close() {
	t.web.Stop()
	t.server.Close() // its folder goes with it
}

// postingOnce returns documents a second: posted by a sender, written by a bare client, found again by a sender with an empty database; and
// wishes a second that change nothing.
func (s *Suite) postingOnce(ctx context.Context) ([]float64, error) {
	dir, err := s.folder("posting")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	t, err := openTill(ctx, dir, 2*postingDocuments)
	if err != nil {
		return nil, err
	}
	defer t.close()
	bare, err := t.bare(ctx, t.orders[:postingDocuments])
	if err != nil {
		return nil, err
	}
	rates := []float64{0, bare, 0, 0}
	for i, place := range []int{0, 2} {
		d, err := db.Open(ctx, "sqlite:"+filepath.Join(dir, fmt.Sprintf("collector%d.db", i)))
		if err != nil {
			return nil, err
		}
		if err := d.Migrate(ctx); err != nil {
			return nil, err
		}
		rates[place], err = t.send(ctx, d, t.orders[postingDocuments:])
		if err == nil && i == 0 {
			rates[3], err = again(ctx, d, t.orders[postingDocuments:])
		}
		if closed := d.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return nil, err
		}
	}
	issues, err := t.client.Issues(ctx)
	if err == nil && len(issues) != 2*postingDocuments {
		err = fmt.Errorf("%d goods issues in the ERP, want %d", len(issues), 2*postingDocuments)
	}
	return rates, err
}

// bare writes a goods issue of each order, with as many requests under way as a sender has, and nothing kept of it.
func (t *till) bare(ctx context.Context, orders []string) (float64, error) {
	began := time.Now()
	var next atomic.Int64
	var group sync.WaitGroup
	errs := make([]error, postingParallel)
	for worker := range postingParallel {
		group.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(orders) {
					return
				}
				err := t.client.Do(ctx, http.MethodPost, "/api/goods-issues", erp.NewIssue{ExternalReference: orders[i] + "/S", Order: orders[i], Site: "dc-east", Shipment: "S",
					Lines: []erp.IssueLine{{OrderLine: "10", Item: "BOLT", Quantity: decimal.NewFromInt(5), Unit: erp.Each, Bin: "A-01"}}}, nil)
				if err != nil {
					errs[worker] = err
					return
				}
			}
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return float64(len(orders)) / time.Since(began).Seconds(), nil
}

// send has a sender tell the goods issue of each order, until all are confirmed.
func (t *till) send(ctx context.Context, d *db.DB, orders []string) (float64, error) {
	if err := wish(ctx, d, orders); err != nil {
		return 0, err
	}
	c, err := connectorhttp.New(connectorhttp.Config{Name: "erp", URL: t.web.URL(), Definition: "sandbox-erp", Rate: connectorhttp.Rate{PerSecond: 1e6, Burst: 1000}})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	sender := &posting.Sender{DB: d, Target: "erp", Connector: c, Holder: "bench", Parallel: postingParallel}
	began := time.Now()
	for sender.Stats().Confirmed < int64(len(orders)) {
		n, err := sender.Step(ctx)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			return 0, fmt.Errorf("the sender rests with %d of %d confirmed", sender.Stats().Confirmed, len(orders))
		}
	}
	return float64(len(orders)) / time.Since(began).Seconds(), nil
}

// again wants the same once more, which changes nothing.
func again(ctx context.Context, d *db.DB, orders []string) (float64, error) {
	began := time.Now()
	if err := wish(ctx, d, orders); err != nil {
		return 0, err
	}
	return float64(len(orders)) / time.Since(began).Seconds(), nil
}

// wish wants a goods issue of each order, in transactions of a hundred, as a fold does.
func wish(ctx context.Context, d *db.DB, orders []string) error {
	for from := 0; from < len(orders); from += 100 {
		part := orders[from:min(len(orders), from+100)]
		err := d.Write(ctx, func(tx *db.Tx) error {
			keys := make([]posting.FoldKey, len(part))
			for i, o := range part {
				keys[i] = posting.FoldKey{Tenant: tenant, Key: "order/" + o}
			}
			b, err := posting.Load(ctx, tx, keys, time.Now())
			if err != nil {
				return err
			}
			for i, o := range part {
				if err := b.Put(keys[i], "v1", []posting.Desired{issueOf(o)}); err != nil {
					return err
				}
			}
			_, err = b.Write(ctx, tx)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func issueOf(order string) posting.Desired {
	return posting.Desired{Target: "erp", Kind: connector.GoodsIssue, Key: order + "/S", SerialKey: "order/" + order, Site: "dc-east", SourceVersion: 1, Style: connector.CreateOnce,
		EventIDs: []string{"departure-" + order},
		Document: &docklinev1.Document{Document: &docklinev1.Document_GoodsIssue{GoodsIssue: &docklinev1.GoodsIssue{Order: order, Shipment: "S", Site: "dc-east",
			Lines: []*docklinev1.DocumentLine{{OrderLine: "10", Item: "BOLT", Quantity: "5", Unit: erp.Each, Bin: "A-01"}}}}}}
}
