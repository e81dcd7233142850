package erp

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/testenv/sandbox"
)

// Pack is a unit in which an item is sold: so many of its base unit.
type Pack struct {
	Unit string `json:"unit"`
	Of   string `json:"of"`
	GTIN string `json:"gtin,omitempty"`
}

// CatalogueItem is an article as the catalogue's feed tells of it.
type CatalogueItem struct {
	Item
	SerialTracked bool     `json:"serial_tracked"`
	Packs         []Pack   `json:"packs"`
	Sites         []string `json:"sites,omitempty"`
	Deleted       bool     `json:"deleted,omitempty"`
}

// Catalogue is the feed of master data: first what the ERP knows on its first day, then as many generated items as it was made to have, made
// only when somebody asks for them, then what people have changed. It lives as long as the process.
type Catalogue struct {
	mu      sync.Mutex
	day     []CatalogueItem
	grown   int
	changed []CatalogueItem
	// forgotten: a cursor below it is no longer known.
	forgotten int
	asked     int
}

func newCatalogue(m *Master) *Catalogue {
	c := &Catalogue{}
	for i, item := range m.Items {
		c.day = append(c.day, catalogued(item, i))
	}
	return c
}

// catalogued gives an item packs, and one in thirty serial numbers.
func catalogued(item Item, i int) CatalogueItem {
	out := CatalogueItem{Item: item, SerialTracked: i%30 == 11, Packs: []Pack{}}
	if item.Unit == Each {
		out.Packs = append(out.Packs, Pack{Unit: "box", Of: fmt.Sprint(6 * (1 + i%8)), GTIN: packGTIN(i)})
	}
	return out
}

func packGTIN(i int) string { return checked(fmt.Sprintf("1291%09d", i+1)) }

// checked appends the check digit of a GTIN-14.
func checked(digits string) string {
	sum := 0
	for place, d := range digits {
		sum += int(d-'0') * []int{3, 1}[place%2]
	}
	return fmt.Sprintf("%s%d", digits, (10-sum%10)%10)
}

// Grow makes the catalogue have n more items.
func (c *Catalogue) Grow(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.grown += n
}

// Set changes an item, or adds it; one that is Deleted is told of as gone.
func (c *Catalogue) Set(items ...CatalogueItem) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed = append(c.changed, items...)
}

// Forget drops an item without a word and makes every cursor unknown: who wants to know must read from the beginning.
func (c *Catalogue) Forget(code string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	named := func(i CatalogueItem) bool { return i.Code == code }
	c.day, c.changed = slices.DeleteFunc(c.day, named), slices.DeleteFunc(c.changed, named)
	c.forgotten = len(c.day) + c.grown + len(c.changed) + 1
}

// Generated is the nth item that Grow has made, from 0.
func (c *Catalogue) Generated(n int) CatalogueItem {
	random := rand.New(rand.NewPCG(uint64(n), 0xca7))
	item := Item{Code: fmt.Sprintf("CAT-%07d", n+1), Unit: Each, LotTracked: n%20 == 7, GTIN: checked(fmt.Sprintf("0292%09d", n+1)),
		Description: fmt.Sprintf("%s %d mm, %s", goods[random.IntN(len(goods))], 4+2*random.IntN(40), finish[random.IntN(len(finish))]), Price: decimal.New(100+random.Int64N(9900), -2)}
	return catalogued(item, 1000+n)
}

// Requests is how often the feed was asked.
func (c *Catalogue) Requests() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}

// Len is how many entries the feed has.
func (c *Catalogue) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.day) + c.grown + len(c.changed)
}

func (c *Catalogue) at(n int) CatalogueItem {
	switch {
	case n < len(c.day):
		return c.day[n]
	case n < len(c.day)+c.grown:
		return c.Generated(n - len(c.day))
	}
	return c.changed[n-len(c.day)-c.grown]
}

// serve answers with the entries after "since", a number of the feed; 410 where that is not known any longer. A since that was given before
// the forgetting ends with its mark.
func (c *Catalogue) serve(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	mark, number, _ := strings.Cut(r.URL.Query().Get("since"), "/")
	since, err := strconv.Atoi(number)
	if mark == "" {
		since, err = 0, nil
	} else if mark != strconv.Itoa(c.forgotten) {
		sandbox.WriteError(w, http.StatusGone, "cursor_forgotten", "the feed begins anew")
		return
	}
	limit, limitErr := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil || limitErr != nil || limit < 1 {
		sandbox.WriteError(w, http.StatusBadRequest, "bad_request", "since and limit are numbers")
		return
	}
	end := len(c.day) + c.grown + len(c.changed)
	window := []CatalogueItem{}
	for ; since < end && len(window) < min(limit, 5000); since++ {
		window = append(window, c.at(since))
	}
	sandbox.Write(w, http.StatusOK, map[string]any{"items": window, "next": fmt.Sprintf("%d/%d", c.forgotten, since), "more": since < end})
}

// serveBins answers with the bins, each with the sites that have it.
func (s *Server) serveBins(w http.ResponseWriter, r *http.Request) {
	type bin struct {
		Code  string   `json:"code"`
		Sites []string `json:"sites"`
	}
	by := map[string]int{}
	var all []bin
	for _, site := range s.store.master.Sites {
		for _, code := range site.Bins {
			n, known := by[code]
			if !known {
				n = len(all)
				by[code], all = n, append(all, bin{Code: code})
			}
			all[n].Sites = append(all[n].Sites, site.Code)
		}
	}
	sandbox.WritePage(w, r, all)
}
