package http

import (
	"context"
	"errors"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// listSource says how the documents of a kind are listed, page by page: over site ("" for all), since and page, and over item for each of them.
type listSource struct {
	Request requestSource `yaml:",inline"`
	// Items is a CEL list, Next a CEL string (page of the next request), More a CEL bool; all over body.
	Items string `yaml:"items"`
	Next  string `yaml:"next"`
	More  string `yaml:"more"`
	// Of each item: strings but for At (a timestamp), Draft and Reversed (bool), Version (int), Fields (a map of strings) and Lines (a list of
	// Line with order_line, item, lot and quantity.value; null where the item does not tell them).
	Reference string `yaml:"reference"`
	Number    string `yaml:"number"`
	Order     string `yaml:"order"`
	Site      string `yaml:"site"`
	At        string `yaml:"at"`
	Draft     string `yaml:"draft"`
	Reversed  string `yaml:"reversed"`
	Version   string `yaml:"version"`
	Fields    string `yaml:"fields"`
	Lines     string `yaml:"lines"`
	// Prices are a map of strings, by order line.
	Prices string `yaml:"prices"`
}

// listing is a listSource, compiled.
type listing struct {
	request                        *request
	items, next, more              *expression
	reference, number, order, site *expression
	at, draft, reversed, version   *expression
	fields, lines, prices          *expression
}

func (c *compiler) list(key string, s *listSource) *listing {
	asked := variables{"site": cel.StringType, "since": cel.TimestampType, "page": cel.StringType}
	body, item := asked.with(bodyVars), asked.with(itemVars)
	return &listing{request: c.request(key, s.Request, asked, "GET"),
		items: c.required(key+".items", s.Items, anyList, body), next: c.required(key+".next", s.Next, cel.StringType, body), more: c.required(key+".more", s.More, cel.BoolType, body),
		reference: c.required(key+".reference", s.Reference, cel.StringType, item), number: c.required(key+".number", s.Number, cel.StringType, item),
		order: c.expression(key+".order", s.Order, cel.StringType, item), site: c.expression(key+".site", s.Site, cel.StringType, item),
		at:    c.required(key+".at", s.At, cel.TimestampType, item),
		draft: c.expression(key+".draft", s.Draft, cel.BoolType, item), reversed: c.expression(key+".reversed", s.Reversed, cel.BoolType, item),
		version: c.expression(key+".version", s.Version, cel.IntType, item),
		fields:  c.expression(key+".fields", s.Fields, textMap, item), lines: c.expression(key+".lines", s.Lines, anyList, item),
		prices: c.expression(key+".prices", s.Prices, textMap, item)}
}

// Lists are the kinds of which the definition says how they are listed.
func (c *Connector) Lists() []connector.Kind {
	var kinds []connector.Kind
	for name, k := range c.definition.kinds {
		if k.list != nil {
			kinds = append(kinds, name)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// List reads one page.
func (c *Connector) List(ctx context.Context, l connector.Listing) (connector.ListedPage, error) {
	k := c.definition.kinds[l.Kind]
	if k == nil || k.list == nil {
		return connector.ListedPage{}, technical("kind_not_described", c.definition.System+" lists no "+string(l.Kind), "add kinds."+string(l.Kind)+".list to the definition", nil)
	}
	return c.listed(ctx, k.list, values{"site": l.Site, "since": timestamppb.New(l.Since), "page": l.Page})
}

func (c *Connector) listed(ctx context.Context, l *listing, v values) (page connector.ListedPage, err error) {
	got, err := c.do(ctx, l.request, v, "")
	if err != nil {
		return page, err
	}
	v = v.with(got.read())
	items, err := l.items.list(ctx, v)
	if err != nil {
		return page, err
	}
	for _, item := range items {
		d, err := l.document(ctx, v.with(values{"item": item}))
		if err != nil {
			return page, err
		}
		page.Documents = append(page.Documents, d)
	}
	if page.Next, err = l.next.string(ctx, v); err != nil {
		return page, err
	}
	page.More, err = l.more.bool(ctx, v, false)
	return page, err
}

func (l *listing) document(ctx context.Context, v values) (d connector.Listed, err error) {
	for _, part := range []struct {
		to   *string
		from *expression
	}{{&d.Reference, l.reference}, {&d.Number, l.number}, {&d.Order, l.order}, {&d.Site, l.site}} {
		if *part.to, err = part.from.string(ctx, v); err != nil {
			return d, err
		}
	}
	if d.At, err = l.at.time(ctx, v); err != nil {
		return d, err
	}
	if d.Draft, err = l.draft.bool(ctx, v, false); err != nil {
		return d, err
	}
	if d.Reversed, err = l.reversed.bool(ctx, v, false); err != nil {
		return d, err
	}
	if d.Version, err = l.version.int(ctx, v); err != nil {
		return d, err
	}
	if d.Fields, err = l.fields.strings(ctx, v); err != nil {
		return d, err
	}
	prices, err := l.prices.strings(ctx, v)
	if err != nil {
		return d, err
	}
	for line, price := range prices {
		if d.Fields == nil {
			d.Fields = map[string]string{}
		}
		d.Fields[connector.PriceOf(line)] = price
	}
	if l.lines == nil {
		return d, nil
	}
	d.Lines, d.Whole, err = l.lines.documentLines(ctx, v)
	return d, err
}

// documentLines are the lines that an expression builds; told is false where it gives null.
func (e *expression) documentLines(ctx context.Context, v values) (lines []connector.Line, told bool, err error) {
	out, err := e.eval(ctx, v)
	if err != nil || out.Type() == types.NullType {
		return nil, false, err
	}
	items, err := e.list(ctx, v)
	if err != nil {
		return nil, false, err
	}
	for _, item := range items {
		built, ok := item.Value().(proto.Message)
		line := &docklinev1.Line{}
		if !ok || copyInto(line, built) != nil {
			return nil, false, e.mapping(errors.New("gives something that is no Line"))
		}
		n, err := event.ParseQuantity(line.GetQuantity().GetValue())
		if err != nil {
			return nil, false, e.mapping(err)
		}
		lines = append(lines, connector.Line{OrderLine: line.GetOrderLine(), Item: line.GetItem(), Lot: line.GetLot(), Quantity: n})
	}
	return lines, true, nil
}
