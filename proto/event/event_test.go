package event_test

import (
	"errors"
	"math"
	"testing"

	"github.com/dockline/dockline/proto/event"
)

func TestKinds(t *testing.T) {
	for name, number := range map[string]int32{"order.accepted": 1, "pick.confirmed": 10, "record.refused": 62, "command.completed": 60} {
		k, ok := event.ParseKind(name)
		if !ok || int32(k) != number || event.KindName(k) != name {
			t.Errorf("ParseKind(%q) = %d %v, and its name is %q", name, k, ok, event.KindName(k))
		}
	}
	for _, name := range []string{"", "unspecified", "Pick.Confirmed", "pick_confirmed"} {
		if k, ok := event.ParseKind(name); ok {
			t.Errorf("ParseKind(%q) = %v", name, k)
		}
	}
	if name := event.KindName(0); name != "" {
		t.Errorf("the unspecified kind is called %q", name)
	}
}

func TestParseQuantity(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "-0": 0, "12": 12_000_000, "12.5": 12_500_000, "-3": -3_000_000, "0.125": 125_000, "0.000001": 1, "-0.000001": -1,
		"000012": 12_000_000, "1.500000": 1_500_000, "9223372036854.775807": math.MaxInt64,
	} {
		if got, err := event.ParseQuantity(text); err != nil || got != want {
			t.Errorf("ParseQuantity(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "-", ".", "5.", ".5", "+5", "--5", "1e3", "1,5", "1,000", "1 000", " 1", "1 ", "0.0000001", "1.0000000", "NaN", "Inf", "0x10", "١٢", "1.5.0", "1.-5",
		"9223372036854.775808", "99999999999999999999", "1_000",
	} {
		if got, err := event.ParseQuantity(text); err == nil || !errors.Is(err, event.ErrQuantity) {
			t.Errorf("ParseQuantity(%q) = %d, %v; want ErrQuantity", text, got, err)
		}
	}
}

func TestFormatQuantity(t *testing.T) {
	for millionths, want := range map[int64]string{
		0: "0", 12_500_000: "12.5", -1: "-0.000001", -3_000_000: "-3", 125_000: "0.125", 100: "0.0001", math.MaxInt64: "9223372036854.775807",
		math.MinInt64: "-9223372036854.775808",
	} {
		if got := event.FormatQuantity(millionths); got != want {
			t.Errorf("FormatQuantity(%d) = %q, want %q", millionths, got, want)
		}
	}
}

func FuzzParseQuantity(f *testing.F) {
	for _, seed := range []string{"12.5", "-0.000001", "9223372036854.775807", "1e3", "1,5", "", "-"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := event.ParseQuantity(text)
		if err != nil {
			return
		}
		again, err := event.ParseQuantity(event.FormatQuantity(parsed))
		if err != nil || again != parsed {
			t.Fatalf("%q is %d, written %q, read again %d, %v", text, parsed, event.FormatQuantity(parsed), again, err)
		}
	})
}

func TestKeys(t *testing.T) {
	for key, want := range map[string][]string{
		event.OrderKey("SO00017"):                                   {"order", "SO00017"},
		event.OrderKey("SO 17/A%"):                                  {"order", "SO 17/A%"},
		event.ShipmentKey("dc-east", "S/7"):                         {"shipment", "dc-east", "S/7"},
		event.CountKey("dc-east", "Zählung 3"):                      {"count", "dc-east", "Zählung 3"},
		event.StockKey("dc-east", "A-01", "ITEM-1", "", ""):         {"stock", "dc-east", "A-01", "ITEM-1", "", "available"},
		event.StockKey("dc-east", "A-01", "ITEM-1", "L1", "damage"): {"stock", "dc-east", "A-01", "ITEM-1", "L1", "damage"},
	} {
		kind, parts, err := event.ParseKey(key)
		if err != nil || kind != want[0] || len(parts) != len(want)-1 {
			t.Errorf("ParseKey(%q) = %q %q %v, want %q", key, kind, parts, err, want)
			continue
		}
		for i := range parts {
			if parts[i] != want[i+1] {
				t.Errorf("ParseKey(%q): part %d is %q, want %q", key, i, parts[i], want[i+1])
			}
		}
	}
	for _, key := range []string{"", "order", "/x", "order/a/b", "stock/a/b", "order/%zz", "order/%41", "Order/a", "order/a b"} {
		if kind, parts, err := event.ParseKey(key); err == nil {
			t.Errorf("ParseKey(%q) = %q %q, want an error", key, kind, parts)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	for _, seed := range []string{"order/SO00017", "stock/s/b/i/l/available", "shipment/dc-east/S%2F7", "order/%41", "x/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		kind, parts, err := event.ParseKey(key)
		if err != nil {
			return
		}
		if again := event.Key(kind, parts...); again != key {
			t.Fatalf("%q is %q %q, written again %q", key, kind, parts, again)
		}
	})
}
