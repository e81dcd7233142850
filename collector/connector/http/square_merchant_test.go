package http_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	nethttp "net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/proto/event"
)

const squareContract = "vendor/square/inventory-orders-locations.openapi.json"

type object = map[string]any

// square keeps a merchant's orders and inventory, behind the published contract: every request and every answer is held against it.
type square struct {
	t        *testing.T
	contract *contract

	mu     sync.Mutex
	orders []object
	// adjustments are inventory changes, and stock what follows from them, by location and item.
	adjustments []object
	stock       map[string]int64
	answers     map[string]string // by idempotency key: the body that it was used with
	number      int
	// what goes wrong with the nth writing request from now.
	what connectortest.Injection
	nth  int
	// denied: the token has lost its rights; renamed: reads answer with other names; ahead: the clock is.
	denied, renamed bool
	ahead           time.Duration
	wrong           []string // what broke the contract
}

var squareItems = []string{"ITEM-BOLT", "ITEM-NUT"}

const squarePage = 3 // Square gives fewer than it was asked for, with a cursor

func (s *square) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	o, err := s.contract.asked(r, text)
	if err != nil || r.Header.Get("Authorization") != "Bearer EAAA-square-token" || r.Header.Get("Square-Version") == "" {
		s.broken(fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err))
		nethttp.Error(w, "contract", 400)
		return
	}
	answer := &squareAnswer{header: nethttp.Header{}}
	lost := s.injected(answer, r, o, text)
	if answer.hang {
		<-r.Context().Done()
		return
	}
	if err := s.contract.told(o, answer.body.Bytes()); err != nil {
		s.broken(err)
	}
	if s.reshaped(o) { // beyond the contract
		text := strings.NewReplacer(`"orders":`, `"sales":`, `"changes":`, `"movements":`).Replace(answer.body.String())
		answer.body.Reset()
		answer.body.WriteString(text)
	}
	if lost {
		panic(nethttp.ErrAbortHandler)
	}
	for name, values := range answer.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(answer.status)
	_, _ = w.Write(answer.body.Bytes())
}

type squareAnswer struct {
	header nethttp.Header
	status int
	body   bytes.Buffer
	hang   bool
}

func (s *square) broken(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = append(s.wrong, err.Error())
}

func (s *square) reshaped(o *contracted) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.renamed && (o.id == "SearchOrders" || o.id == "BatchRetrieveInventoryChanges")
}

// set changes how the merchant behaves, until what it returns is called.
func (s *square) set(on, off func()) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	on()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		off()
	}
}

// injected answers, or goes wrong, and says whether the answer is lost.
func (s *square) injected(a *squareAnswer, r *nethttp.Request, o *contracted, text []byte) (lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if writes := o.id == "CreateOrder" || o.id == "BatchChangeInventory"; writes && s.nth > 0 {
		if s.nth--; s.nth == 0 {
			switch s.what {
			case connectortest.LoseAnswer:
				lost = true
			case connectortest.ServerError:
				s.fail(a, 500, "API_ERROR", "INTERNAL_SERVER_ERROR", "something broke")
				return false
			case connectortest.Hang:
				a.hang = true
				return false
			case connectortest.Throttle:
				a.header.Set("Retry-After", "1")
				s.fail(a, 429, "RATE_LIMIT_ERROR", "RATE_LIMITED", "slowly")
				return false
			}
		}
	}
	if s.denied && o.id != "ListLocations" {
		s.fail(a, 403, "AUTHENTICATION_ERROR", "INSUFFICIENT_SCOPES", "the token lacks the scope")
		return false
	}
	s.serve(a, o, text)
	return lost
}

func (s *square) tell(a *squareAnswer, status int, body any) {
	a.status = status
	_ = json.NewEncoder(&a.body).Encode(body)
}

func (s *square) fail(a *squareAnswer, status int, category, code, detail string) {
	s.tell(a, status, object{"errors": []object{{"category": category, "code": code, "detail": detail}}})
}

type squareRequest struct {
	IdempotencyKey string `json:"idempotency_key"`
	Order          object
	Changes        []struct{ Adjustment object }
	LocationIDs    []string `json:"location_ids"`
	CatalogIDs     []string `json:"catalog_object_ids"`
	Cursor         string
	Limit          int
	Query          struct {
		Filter struct {
			DateTime struct {
				UpdatedAt struct {
					StartAt string `json:"start_at"`
				} `json:"updated_at"`
			} `json:"date_time_filter"`
		}
		Sort struct {
			Field string `json:"sort_field"`
			Order string `json:"sort_order"`
		}
	}
}

func (s *square) serve(a *squareAnswer, o *contracted, text []byte) {
	var in squareRequest
	_ = json.Unmarshal(text, &in) // a GET has none
	switch o.id {
	case "ListLocations":
		s.tell(a, 200, object{"locations": []object{{"id": "LOC-EAST", "name": "East", "status": "ACTIVE"}, {"id": "LOC-WEST", "name": "West", "status": "ACTIVE"}}})
	case "CreateOrder":
		if s.repeated(a, in.IdempotencyKey, text) {
			return
		}
		if item := s.unknown(in.Order["line_items"]); item != "" {
			delete(s.answers, in.IdempotencyKey)
			s.fail(a, 404, "INVALID_REQUEST_ERROR", "NOT_FOUND", "no catalog object "+item)
			return
		}
		s.tell(a, 200, object{"order": s.take(in.Order)})
	case "SearchOrders":
		s.search(a, in)
	case "BatchChangeInventory":
		if s.repeated(a, in.IdempotencyKey, text) {
			return
		}
		s.change(a, in)
	case "BatchRetrieveInventoryChanges":
		var shown []object
		for _, one := range s.adjustments {
			if slices.Contains(in.CatalogIDs, one["catalog_object_id"].(string)) && slices.Contains(in.LocationIDs, one["location_id"].(string)) {
				shown = append(shown, object{"type": "ADJUSTMENT", "adjustment": one})
			}
		}
		s.page(a, "changes", shown, in.Cursor)
	case "BatchRetrieveInventoryCounts":
		var shown []object
		for _, item := range squareItems {
			for _, location := range in.LocationIDs {
				if n, kept := s.stock[location+"/"+item]; kept {
					shown = append(shown, object{"catalog_object_id": item, "location_id": location, "state": "IN_STOCK", "quantity": event.FormatQuantity(n), "calculated_at": stamp(time.Now())})
				}
			}
		}
		s.page(a, "counts", shown, in.Cursor)
	default:
		s.fail(a, 501, "API_ERROR", "NOT_IMPLEMENTED", o.id)
	}
}

func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }

// repeated answers a request whose key was used before; the caller holds the lock.
func (s *square) repeated(a *squareAnswer, key string, text []byte) bool {
	before, used := s.answers[key]
	s.answers[key] = string(text)
	if used && before != string(text) {
		s.answers[key] = before
		s.fail(a, 400, "INVALID_REQUEST_ERROR", "IDEMPOTENCY_KEY_REUSED", "the key was used with another body")
		return true
	}
	if used {
		s.tell(a, 200, object{})
	}
	return used
}

func (s *square) unknown(lines any) string {
	list, _ := lines.([]any)
	for _, l := range list {
		if item, _ := l.(object)["catalog_object_id"].(string); !slices.Contains(squareItems, item) {
			return item
		}
	}
	return ""
}

func (s *square) take(order object) object {
	s.number++
	order["id"], order["state"], order["version"] = fmt.Sprintf("SQ%05d", s.number), "OPEN", 1
	order["created_at"], order["updated_at"] = stamp(time.Now().Add(s.ahead)), stamp(time.Now().Add(s.ahead))
	if lines, some := order["line_items"].([]any); some {
		for i, l := range lines {
			l.(object)["uid"] = strconv.Itoa(i + 1)
		}
	}
	s.orders = append(s.orders, order)
	return order
}

func (s *square) search(a *squareAnswer, in squareRequest) {
	shown := slices.Clone(s.orders)
	shown = slices.DeleteFunc(shown, func(o object) bool {
		return !slices.Contains(in.LocationIDs, o["location_id"].(string)) || o["updated_at"].(string) < since(in.Query.Filter.DateTime.UpdatedAt.StartAt)
	})
	field := strings.ToLower(in.Query.Sort.Field)
	slices.SortStableFunc(shown, func(x, y object) int {
		n := strings.Compare(x[field].(string)+x["id"].(string), y[field].(string)+y["id"].(string))
		if in.Query.Sort.Order == "DESC" {
			n = -n
		}
		return n
	})
	if in.Limit > 0 && in.Query.Filter.DateTime.UpdatedAt.StartAt != "" {
		shown = shown[:min(in.Limit, len(shown))]
		s.tell(a, 200, object{"orders": append([]object{}, shown...)})
		return
	}
	s.page(a, "orders", shown, in.Cursor)
}

func since(text string) string {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return ""
	}
	return stamp(at)
}

func (s *square) change(a *squareAnswer, in squareRequest) {
	for _, c := range in.Changes {
		item, _ := c.Adjustment["catalog_object_id"].(string)
		if !slices.Contains(squareItems, item) {
			delete(s.answers, in.IdempotencyKey)
			s.fail(a, 404, "INVALID_REQUEST_ERROR", "NOT_FOUND", "no catalog object "+item)
			return
		}
		s.number++
		c.Adjustment["id"] = fmt.Sprintf("ADJ%05d", s.number)
		c.Adjustment["created_at"] = stamp(time.Now())
		s.adjust(c.Adjustment)
	}
	s.tell(a, 200, object{"counts": []object{}})
}

func (s *square) adjust(one object) {
	n, _ := event.ParseQuantity(one["quantity"].(string))
	if one["to_state"] != "IN_STOCK" {
		n = -n
	}
	s.stock[one["location_id"].(string)+"/"+one["catalog_object_id"].(string)] += n
	s.adjustments = append(s.adjustments, one)
}

// page answers with some of a list and where it goes on.
func (s *square) page(a *squareAnswer, name string, all []object, cursor string) {
	from := 0
	if cursor != "" {
		from, _ = strconv.Atoi(strings.TrimPrefix(cursor, "at-"))
	}
	to := min(from+squarePage, len(all))
	body := object{}
	if from < to {
		body[name] = all[from:to]
	}
	if to < len(all) {
		body["cursor"] = "at-" + strconv.Itoa(to)
	}
	s.tell(a, 200, body)
}

func (s *square) effects(p *connector.Posting) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range slices.Concat(s.orders, s.adjustments) {
		if o["reference_id"] == p.Key {
			n++
		}
	}
	return n
}
