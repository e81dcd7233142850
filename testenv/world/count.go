package world

import (
	"context"
	"net/url"
)

// Variance is what a count came to in one bucket of stock.
type Variance struct {
	Count string `json:"count"`
	// Variance is a decimal number of the base unit, "" for none.
	Variance string `json:"variance"`
	// Standing is waiting, final or recount.
	Standing string `json:"standing"`
}

// Variances of a count, from the collector's ledger of a site's stock.
func (w *World) Variances(ctx context.Context, site, count string) ([]Variance, error) {
	var found []Variance
	for after := ""; ; {
		var page struct {
			Stock []struct {
				State struct{ Variances []Variance }
			}
			Next string
		}
		if err := w.get(ctx, "api/v1/stock?limit=1000&site="+url.QueryEscape(site)+"&after="+url.QueryEscape(after), &page); err != nil {
			return nil, err
		}
		for _, row := range page.Stock {
			for _, v := range row.State.Variances {
				if v.Count == count {
					found = append(found, v)
				}
			}
		}
		if len(page.Stock) == 0 {
			return found, nil
		}
		after = page.Next
	}
}
