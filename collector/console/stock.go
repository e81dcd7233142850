package console

import (
	"context"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/stock"
)

// stockPage is how many items one page of stock shows.
const stockPage = 50

type stockData struct {
	Items []stock.Promise
	// Site and Item are what was asked for; Next is the item to go on from, "" for none.
	Site, Item, Next string
	now              time.Time
}

// Age is how long ago a moment was, in words.
func (d *stockData) Age(at *time.Time) string { return age(d.now, *at) }

// stock shows what lies at which site, and what can be promised of it.
func (s *server) stock(q *request) (*content, error) {
	var data *stockData
	err := s.read(q, func(ctx context.Context, tx *db.Tx) error {
		data = &stockData{Site: q.param("site"), Item: q.param("item"), now: s.Now()}
		items := []string{data.Item}
		var sites []string
		if data.Site != "" {
			sites = []string{data.Site}
		}
		if data.Item == "" {
			var err error
			if items, err = stock.Items(ctx, tx, q.tenant, data.Site, q.param("after"), stockPage); err != nil {
				return err
			}
			if len(items) == stockPage {
				data.Next = items[len(items)-1]
			}
		}
		found, err := stock.Available(ctx, tx, q.tenant, items, sites, s.Now())
		if err != nil {
			return err
		}
		for _, p := range found {
			if len(p.Sites) > 0 || p.NowhereYet != "0" {
				data.Items = append(data.Items, p)
			}
		}
		return nil
	})
	return &content{"stock", "Stock", data}, err
}
