package fleet

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Impact is what waits for a site: orders that it still has to ship.
type Impact struct {
	Orders int
	// Values are what is open of them, by currency, the largest number first.
	Values []Value
	// Due is the earliest moment promised for one of them that is not past, Overdue how many are past theirs.
	Due     time.Time
	DueSoon int
	Overdue int
}

// Value is an amount in a currency, with two decimals.
type Value struct {
	Amount, Currency string
}

// dueSoon is how near a promised moment is that counts in DueSoon.
const dueSoon = 4 * time.Hour

// openStatuses are those of orders that a site has work with.
const openStatuses = `'accepted', 'held', 'backordered', 'released', 'allocated', 'picking', 'partially_packed', 'packed', 'partially_shipped'`

// AddImpact works out what waits for each of the sites.
func (f *Fleet) AddImpact(ctx context.Context, sites []*Site) error {
	now, byKey := f.now(), make(map[siteKey]*Site, len(sites))
	sums := make(map[siteKey]map[string]*big.Rat)
	var tenants []string
	for _, s := range sites {
		s.Impact = Impact{}
		byKey[siteKey{s.Tenant, s.ID}] = s
		if !slices.Contains(tenants, s.Tenant) {
			tenants = append(tenants, s.Tenant)
		}
	}
	err := f.DB.Read(ctx, func(tx *db.Tx) error {
		clear(sums)
		for _, s := range sites {
			s.Impact = Impact{}
		}
		for _, tenant := range tenants {
			rows, err := tx.Query(ctx, `SELECT body FROM state WHERE tenant = ? AND fold_key >= 'order/' AND fold_key < 'order0' AND status IN (`+openStatuses+`)`, tenant)
			if err != nil {
				return err
			}
			for rows.Next() {
				var body []byte
				o := &docklinev1.OrderState{}
				if err := rows.Scan(&body); err != nil {
					rows.Close()
					return err
				}
				if err := proto.Unmarshal(body, o); err != nil {
					rows.Close()
					return fmt.Errorf("state of an order: %w", err)
				}
				key := siteKey{tenant, orElse(o.GetReleasedTo(), o.GetSite())}
				s := byKey[key]
				if s == nil {
					continue
				}
				if sums[key] == nil {
					sums[key] = make(map[string]*big.Rat)
				}
				s.Impact.add(o, now, sums[key])
			}
			if err := rows.Err(); err != nil {
				return err
			}
			rows.Close()
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("what waits for sites: %w", err)
	}
	for key, sum := range sums {
		byKey[key].Impact.Values = values(sum)
	}
	for _, s := range sites {
		s.judgeImpact()
	}
	return nil
}

func (i *Impact) add(o *docklinev1.OrderState, now time.Time, sums map[string]*big.Rat) {
	i.Orders++
	if promised := o.GetPromisedAt(); promised.IsValid() {
		switch at := promised.AsTime(); {
		case at.Before(now):
			i.Overdue++
		default:
			if i.Due.IsZero() || at.Before(i.Due) {
				i.Due = at
			}
			if at.Sub(now) < dueSoon {
				i.DueSoon++
			}
		}
	}
	for _, l := range o.GetLines() {
		price, ok := new(big.Rat).SetString(l.GetUnitPrice())
		open := l.GetOrdered() - l.GetCancelled() - l.GetSubstitutedOut() + l.GetSubstitutedIn() - l.GetShipped() + l.GetVoided()
		if !ok || open <= 0 || strings.ContainsAny(l.GetUnitPrice(), "/eE") {
			continue
		}
		if sums[o.GetCurrency()] == nil {
			sums[o.GetCurrency()] = new(big.Rat)
		}
		sums[o.GetCurrency()].Add(sums[o.GetCurrency()], price.Mul(price, big.NewRat(open, 1_000_000)))
	}
}

func values(sums map[string]*big.Rat) []Value {
	var currencies []string
	for c := range sums {
		currencies = append(currencies, c)
	}
	slices.SortFunc(currencies, func(a, b string) int { return sums[b].Cmp(sums[a]) })
	var all []Value
	for _, c := range currencies {
		all = append(all, Value{sums[c].FloatString(2), c})
	}
	return all
}

// Text says the impact in a sentence without its full stop, "" where nothing waits.
func (i *Impact) Text() string {
	if i.Orders == 0 {
		return ""
	}
	text, verb := "1 order", " waits"
	if i.Orders > 1 {
		text, verb = fmt.Sprintf("%d orders", i.Orders), " wait"
	}
	var worth []string
	for _, v := range i.Values {
		worth = append(worth, strings.TrimSpace(Thousands(v.Amount)+" "+v.Currency))
	}
	if len(worth) > 0 {
		text += " worth " + strings.Join(worth, " and ")
	}
	text += verb + " for this site"
	if i.Overdue > 0 {
		text += fmt.Sprintf("; %d past the time that was promised", i.Overdue)
	}
	if i.DueSoon > 0 {
		text += fmt.Sprintf("; %d promised within four hours, the first at %s", i.DueSoon, i.Due.UTC().Format("15:04 MST"))
	} else if !i.Due.IsZero() {
		text += "; the next is promised for " + i.Due.UTC().Format("2006-01-02 15:04 MST")
	}
	return text
}

// Thousands groups the digits before the point of a number by a narrow space.
func Thousands(number string) string {
	whole, rest, _ := strings.Cut(number, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	var b strings.Builder
	for i, r := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteString("\u202f")
		}
		b.WriteRune(r)
	}
	if rest != "" {
		b.WriteString("." + rest)
	}
	return sign + b.String()
}

// judgeImpact lets the condition that keeps the site from working say what it costs.
func (s *Site) judgeImpact() {
	text := s.Impact.Text()
	if text == "" {
		return
	}
	for _, c := range s.Conditions {
		switch c.GetCode() {
		case "offline", "not_listening", "revoked", "certificate_expired":
			c.Text += " " + text + "."
			return
		}
	}
}
