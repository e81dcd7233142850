package world

import (
	"context"
	"net/url"
)

// Goods is a shipment, a return or a supplier's delivery as the API shows it.
type Goods struct {
	Key    string `json:"key"`
	Status string `json:"status"`
	State  struct {
		Tracking       string          `json:"tracking"`
		Orders         []string        `json:"orders"`
		StatusEventIDs []string        `json:"status_event_ids"`
		Flags          []string        `json:"flags"`
		Proofs         []DeliveryProof `json:"proofs"`
		Steps          []struct {
			Status   string   `json:"status"`
			EventIDs []string `json:"event_ids"`
		} `json:"steps"`
		// Etas are the expected arrivals, as they were told.
		Etas []struct {
			Eta       string `json:"eta"`
			FormerEta string `json:"former_eta"`
			Cause     string `json:"cause"`
		} `json:"etas"`
		Milestones []struct {
			Code    string `json:"code"`
			Meaning string `json:"meaning"`
			Place   string `json:"place"`
			Carrier string `json:"carrier"`
		} `json:"milestones"`
		CreditMemos []struct {
			Number string `json:"number"`
			Total  string `json:"total"`
		} `json:"credit_memos"`
	} `json:"state"`
	Exceptions []Exception `json:"exceptions"`
}

// DeliveryProof is who signed, and where.
type DeliveryProof struct {
	Signer string `json:"signer"`
	Place  string `json:"place"`
}

// Goods asks for one by its key.
func (w *World) Goods(ctx context.Context, key string) (g Goods, err error) {
	err = w.get(ctx, "api/v1/goods?key="+url.QueryEscape(key), &g)
	return g, err
}

// AllGoods asks for those of a kind, a thousand at most.
func (w *World) AllGoods(ctx context.Context, kind string) ([]Goods, error) {
	var page struct {
		Goods []Goods `json:"goods"`
	}
	err := w.get(ctx, "api/v1/goods?limit=1000&kind="+kind, &page)
	return page.Goods, err
}
