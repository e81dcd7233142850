package traffic

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

var began = time.Date(2026, 3, 2, 5, 0, 0, 0, time.UTC)

func config(profile string, awkward map[string]float64) Config {
	p := Profiles[profile]
	return Config{Seed: 7, Site: "dc", Profile: p, OrdersPerDay: 200, Peak: 1, Awkward: awkward, Began: began}
}

// everything reads a day and two more in pieces, as the plugin does.
func everything(t *testing.T, traffic *Traffic, most int) (all []*Told) {
	t.Helper()
	place := Place{At: began}
	for {
		next := traffic.Between(place, began.Add(72*time.Hour), most)
		if len(next) == 0 {
			return all
		}
		all = append(all, next...)
		last := next[len(next)-1]
		place = Place{last.At, last.Order, last.Step}
	}
}

func TestTheSameSeedTellsTheSame(t *testing.T) {
	c := config("grocery", map[string]float64{"duplicate": 10, "late": 10, "out_of_order": 10})
	c.OrdersPerDay = 40
	a, b := everything(t, New(c), 50), everything(t, New(c), 5000)
	if len(a) != len(b) || len(a) < 500 {
		t.Fatalf("%d and %d events", len(a), len(b))
	}
	for i := range a {
		if !proto.Equal(a[i].Event, b[i].Event) || !a[i].At.Equal(b[i].At) {
			t.Fatalf("event %d differs: %v, %v", i, a[i].Event, b[i].Event)
		}
		if i > 0 && a[i].At.Before(a[i-1].At) {
			t.Fatalf("event %d is told before the one before it", i)
		}
	}
}

// Every profile tells sound events, each under its own key, and looks like its trade.
func TestProfiles(t *testing.T) {
	for _, name := range Names() {
		keys := map[string]bool{}
		busiest := map[int]int{}
		traffic := New(config(name, nil))
		for n := range 200 {
			busiest[traffic.arrival(n).Hour()]++
			for _, told := range traffic.Order(n) {
				if fault := event.Validate(told.Event); fault != nil {
					t.Fatalf("%s: %s: %s", name, told.Event, fault.Text)
				}
				key := event.KindName(told.Event.GetKind()) + told.Event.GetSourceKey()
				if keys[key] {
					t.Fatalf("%s: %s is told twice", name, key)
				}
				keys[key] = true
				for _, l := range event.Lines(told.Event) {
					if event.WrongGTIN(l.GetGtin()) || event.WrongSSCC(l.GetHandlingUnit()) {
						t.Fatalf("%s: a wrong check digit in %v", name, l)
					}
				}
			}
		}
		peak := 0
		for hour, n := range busiest {
			if n > busiest[peak] {
				peak = hour
			}
		}
		curve := Profiles[name].Curve
		for hour := range curve {
			if curve[hour] > curve[peak]+1 {
				t.Errorf("%s: most orders come at %d, the curve's peak is at %d", name, peak, hour)
			}
		}
	}
}

// A sharper peak has more of the day's orders in its busiest hour.
func TestPeaks(t *testing.T) {
	share := func(peak float64) float64 {
		c := config("spare_parts", nil)
		c.Peak = peak
		traffic := New(c)
		return traffic.share[17] - traffic.share[16]
	}
	if share(2) < 1.3*share(1) || share(1.5) <= share(1) || share(1.5) >= share(2) {
		t.Errorf("shares of the busiest hour %v, %v, %v", share(1), share(1.5), share(2))
	}
}

// Each awkward case can be had alone, changes what is told, and is sound by the rules of its kind.
func TestEveryAwkwardCase(t *testing.T) {
	names, about := Cases()
	plain := New(config("grocery", nil))
	for _, name := range names {
		if about[name] == "" {
			t.Errorf("%s is not explained", name)
		}
		awkward := New(config("grocery", map[string]float64{name: 100}))
		changed := 0
		for n := range 60 {
			a, b := plain.Order(n), awkward.Order(n)
			differs := len(a) != len(b)
			for i := range min(len(a), len(b)) {
				differs = differs || !proto.Equal(a[i].Event, b[i].Event) || !a[i].At.Equal(b[i].At)
			}
			if differs {
				changed++
			}
			for _, told := range b {
				if fault := event.Validate(told.Event); fault != nil && told.Event.GetKind() != docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED {
					t.Fatalf("%s: %v: %s", name, told.Event, fault.Text)
				}
				if told.At.Sub(awkward.arrival(n)) > longest {
					t.Fatalf("%s is told %s after its order", name, told.At.Sub(awkward.arrival(n)))
				}
			}
		}
		if changed < 45 {
			t.Errorf("%s changed %d of 60 orders", name, changed)
		}
	}
}

// The rate of a case is what is asked for.
func TestRates(t *testing.T) {
	traffic, plain := New(config("ecommerce", map[string]float64{"duplicate": 20})), New(config("ecommerce", nil))
	twice := 0
	for n := range 1000 {
		if len(traffic.Order(n)) > len(plain.Order(n)) {
			twice++
		}
	}
	if twice < 150 || twice > 250 {
		t.Errorf("%d of 1000 orders have a duplicate, want about 200", twice)
	}
}

// A published load is taken as the shape of the day.
func TestCurveOfAPublishedLoad(t *testing.T) {
	curve, err := ReadCurve(strings.NewReader("day,hour,invoices\n1,9,10\n1,10,30\n2,10,20\n"))
	if err != nil || curve[10] != 50 || curve[9] != 10 {
		t.Errorf("curve %v, %v", curve, err)
	}
	for _, bad := range []string{"", "a,b\n", "hour,orders\n25,1\n", "hour,orders\n1,x\n", "hour,orders\n1,0\n"} {
		if _, err := ReadCurve(strings.NewReader(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	dir := os.Getenv("DOCKLINE_SPECS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "specs")
	}
	file, err := os.Open(filepath.Join(dir, "workload", "online-retail-load-curve-by-hour.csv"))
	if os.IsNotExist(err) {
		t.Skip("the published load is not here; the curve of our own was read")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if curve, err = ReadCurve(file); err != nil {
		t.Fatal(err)
	}
	c := config("ecommerce", nil)
	c.Profile.Curve = curve
	if hour := New(c).arrival(100).Hour(); hour < 11 || hour > 13 {
		t.Errorf("half of a shop's orders are in at %d, want about noon", hour)
	}
}
