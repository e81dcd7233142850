package console

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

type goodsData struct {
	Kind, Path string
	Status     string
	Choices    []choice
	Goods      []view.Goods
}

// goodsPages are the lists of goods under way, by the path of each.
var goodsPages = map[string]struct{ kind, title string }{
	"/shipments":     {state.KindShipment, "Shipments"},
	"/returns":       {state.KindReturn, "Returns"},
	"/blind-returns": {state.KindBlindReturn, "Blind returns"},
	"/inbound":       {state.KindInbound, "Inbound"},
}

func (s *server) goodsList(path string) bodyOf {
	page := goodsPages[path]
	return func(q *request) (*content, error) {
		var data *goodsData
		err := s.read(q, func(ctx context.Context, tx *db.Tx) error {
			data = &goodsData{Kind: page.kind, Path: path, Status: q.param("status")}
			counts, err := view.GoodsCounts(ctx, tx, q.tenant, page.kind)
			if err != nil {
				return err
			}
			for _, status := range sortedStatuses(counts, data.Status) {
				data.Choices = append(data.Choices, choice{status, counts[status]})
			}
			data.Goods, err = view.LatestGoods(ctx, tx, q.tenant, page.kind, data.Status, rows)
			return err
		})
		return &content{"goods", page.title, data}, err
	}
}

func sortedStatuses(counts map[string]int64, chosen string) []string {
	var list []string
	for status := range counts {
		list = append(list, status)
	}
	if chosen != "" && counts[chosen] == 0 {
		list = append(list, chosen)
	}
	slices.Sort(list)
	return list
}

// goodsPath is where the page of a fold key is, "" where there is none.
func goodsPath(key string) string {
	kind, parts, err := event.ParseKey(key)
	if err != nil {
		return ""
	}
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	for path, page := range goodsPages {
		if page.kind == kind {
			return path + "/" + strings.Join(parts, "/")
		}
	}
	return ""
}

type oneGoodsData struct {
	*view.GoodsTrack
	// Kinds are the kinds of events by id.
	Kinds map[string]docklinev1.EventKind
}

// oneGoods shows one shipment, return or delivery.
func (s *server) oneGoods(kind, title string, parts ...string) bodyOf {
	return func(q *request) (*content, error) {
		var values []string
		for _, part := range parts {
			values = append(values, q.PathValue(part))
		}
		t, err := view.OneGoods(q.Context(), s.DB, q.tenant, event.Key(kind, values...))
		if err != nil {
			return nil, err
		}
		data := &oneGoodsData{GoodsTrack: t, Kinds: make(map[string]docklinev1.EventKind)}
		for _, e := range t.Events {
			data.Kinds[e.Event.GetId()] = e.Event.GetKind()
		}
		template := map[string]string{state.KindShipment: "shipment", state.KindInbound: "inbound"}[kind]
		if template == "" {
			template = "return"
		}
		return &content{template, fmt.Sprintf("%s %s", title, t.Name()), data}, nil
	}
}
