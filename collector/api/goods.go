package api

import (
	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/db"
)

// Goods is a shipment, a return or what a supplier sends. State is a message of the protocol: ShipmentState, ReturnState or InboundState.
type Goods struct {
	Key    string  `json:"key"`
	Kind   string  `json:"kind"`
	Site   string  `json:"site"`
	Status string  `json:"status"`
	Facts  int64   `json:"facts"`
	Policy string  `json:"policy"`
	State  Message `json:"state"`
}

// GoodsTrack is one of them with what needs a person.
type GoodsTrack struct {
	Goods
	Exceptions []Exception `json:"exceptions"`
}

// GoodsPage is a list of them, the last changed first.
type GoodsPage struct {
	Goods []Goods `json:"goods"`
}

// GoodsTrackOf is the form of the API, which the command prints too.
func GoodsTrackOf(t *view.GoodsTrack) GoodsTrack {
	return GoodsTrack{Goods: goodsOf(&t.Goods), Exceptions: eachOf(t.Exceptions, ExceptionOf)}
}

func goodsOf(g *view.Goods) Goods {
	var message proto.Message = g.Shipment
	switch {
	case g.Return != nil:
		message = g.Return
	case g.Inbound != nil:
		message = g.Inbound
	}
	return Goods{Key: g.Key, Kind: g.Kind, Site: g.Site, Status: g.Status, Facts: g.Facts, Policy: g.Policy, State: Message{message}}
}

// goods answers with one by its key, or with those of a kind.
func (s *server) goods(q *request) (any, error) {
	if key := q.query.Get("key"); key != "" {
		t, err := view.OneGoods(q.Context(), s.DB, q.tenant, key)
		if err != nil {
			return nil, err
		}
		return GoodsTrackOf(t), nil
	}
	kind, err := oneOf(q, "kind", view.GoodsKinds())
	if err != nil {
		return nil, err
	}
	if kind == "" {
		return nil, bad("Give key=, like shipment/dc-east/S1, or kind=, one of %v.", view.GoodsKinds())
	}
	var found []view.Goods
	err = s.DB.Read(q.Context(), func(tx *db.Tx) (err error) {
		found, err = view.LatestGoods(q.Context(), tx, q.tenant, kind, q.query.Get("status"), q.limit)
		return err
	})
	return GoodsPage{eachOf(found, goodsOf)}, err
}
