package policy

import (
	"fmt"
	"time"

	"github.com/dockline/dockline/proto/event"
)

// Stock is what may be promised of stock; default/stock.yaml says what each is.
type Stock struct {
	InboundHorizon time.Duration `yaml:"inbound_horizon"`
	StaleAfter     time.Duration `yaml:"stale_after"`
	Safety         []Safety      `yaml:"safety"`
}

// Safety is a quantity in base units that is never promised: of an item, at a site, or of an item at a site.
type Safety struct {
	Site     string `yaml:"site"`
	Item     string `yaml:"item"`
	Quantity string `yaml:"quantity"`

	quantity int64
}

// SafetyOf is the safety stock of an item at a site, in millionths.
func (s Stock) SafetyOf(site, item string) int64 {
	best, found := 0, int64(0)
	for _, each := range s.Safety {
		if each.Site != "" && each.Site != site || each.Item != "" && each.Item != item {
			continue
		}
		rank := 1
		if each.Site != "" {
			rank++
		}
		if each.Item != "" {
			rank += 2
		}
		if rank > best {
			best, found = rank, each.quantity
		}
	}
	return found
}

func (c *compiler) stock() {
	stock := readTopped[Stock](c, "stock.yaml")
	if stock == nil {
		return
	}
	stock.each(func(section, key string, s *Stock) {
		if section == "customers" {
			c.bad(stock.file, key, "stock is promised before it is known to whom: it can be said by tenant, region, site and item, not by customer")
		}
		if s.InboundHorizon < 0 {
			c.bad(stock.file, join(key, "inbound_horizon"), "a time ahead cannot be below zero")
		}
		if s.StaleAfter < 0 {
			c.bad(stock.file, join(key, "stale_after"), "an age cannot be below zero; 0s marks nothing as stale")
		}
		for i := range s.Safety {
			each, at := &s.Safety[i], join(key, fmt.Sprintf("safety[%d]", i))
			var err error
			if each.quantity, err = event.ParseQuantity(each.Quantity); err != nil || each.quantity < 0 {
				c.bad(stock.file, at, "%q: give the quantity as a decimal number, like \"12\"", each.Quantity)
			}
			if each.Site == "" && each.Item == "" && section != "sites" && section != "items" {
				c.bad(stock.file, at, "an entry names a site, an item, or both")
			}
		}
	})
	c.policy.stock = stock
}
