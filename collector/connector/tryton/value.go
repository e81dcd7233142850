package tryton

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dockline/dockline/proto/event"
)

// row is one record as read; a field asked for as "product.code" stands below "product.".
type row map[string]any

// decodeJSON reads an answer. Tryton's typed values become strings (Decimal), times (date, datetime in UTC) or stay objects.
func decodeJSON(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, err
	}
	return typed(v), nil
}

func typed(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = typed(v[i])
		}
	case map[string]any:
		switch v["__class__"] {
		case "Decimal":
			return fmt.Sprint(v["decimal"])
		case "date", "datetime":
			part := func(name string) int {
				n, _ := strconv.Atoi(fmt.Sprint(v[name])) // absent in a date: 0
				return n
			}
			return time.Date(part("year"), time.Month(part("month")), part("day"), part("hour"), part("minute"), part("second"),
				part("microsecond")*1000, time.UTC)
		}
		for name := range v {
			v[name] = typed(v[name])
		}
	}
	return v
}

// datetime is how a time is sent.
func datetime(t time.Time) map[string]any {
	t = t.UTC()
	return map[string]any{"__class__": "datetime", "year": t.Year(), "month": int(t.Month()), "day": t.Day(), "hour": t.Hour(),
		"minute": t.Minute(), "second": t.Second(), "microsecond": t.Nanosecond() / 1000}
}

// number is how a quantity in millionths is sent: the exact decimal, as a JSON number.
func number(millionths int64) json.Number { return json.Number(event.FormatQuantity(millionths)) }

func (r row) text(field string) string {
	s, _ := r[field].(string)
	return s
}

func (r row) id(field string) int64 { return integer(r[field]) }

func integer(v any) int64 {
	n, ok := v.(json.Number)
	if !ok {
		return 0
	}
	i, _ := n.Int64() // ids are whole
	return i
}

func (r row) ids(field string) []int64 { return integers(r[field]) }

func integers(v any) []int64 {
	list, _ := v.([]any)
	out := make([]int64, len(list))
	for i := range list {
		out[i] = integer(list[i])
	}
	return out
}

// quantity is a float of the target in millionths, to the nearest.
func (r row) quantity(field string) int64 {
	f := r.float(field)
	return int64(math.Round(f * event.Scale))
}

func (r row) float(field string) float64 {
	n, ok := r[field].(json.Number)
	if !ok {
		return 0
	}
	f, _ := n.Float64()
	return f
}

// truth is a Boolean: on SQLite Tryton sends 0 and 1.
func (r row) truth(field string) bool {
	n, isNumber := r[field].(json.Number)
	return r[field] == true || isNumber && n != "0"
}

func (r row) time(field string) time.Time {
	t, _ := r[field].(time.Time)
	return t
}

// sub is the record that a many-to-one field points to; empty where it points to none.
func (r row) sub(field string) row {
	m, _ := r[field+"."].(map[string]any)
	return m
}

// pointed splits a reference "model,id".
func (r row) pointed(field string) (model string, id int64) {
	model, digits, ok := strings.Cut(r.text(field), ",")
	if !ok {
		return "", 0
	}
	id, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return "", 0
	}
	return model, id
}

func reference(model string, id int64) string { return fmt.Sprintf("%s,%d", model, id) }

// date is how a day is sent.
func date(t time.Time) map[string]any {
	return map[string]any{"__class__": "date", "year": t.Year(), "month": int(t.Month()), "day": t.Day()}
}

// money is how an amount of it is sent: a JSON number would be refused.
func money(text string) map[string]any {
	return map[string]any{"__class__": "Decimal", "decimal": text}
}

// jsonID is an id as answers have it.
func jsonID(id int64) json.Number { return json.Number(strconv.FormatInt(id, 10)) }
