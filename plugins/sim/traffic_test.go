package main

import (
	"testing"
	"time"

	"github.com/dockline/dockline/plugins/sim/traffic"
)

const trafficSection = "seed: 7\nsite: dc\ntraffic: {profile: spare_parts, orders_per_day: 12, peak: 1.5, history: 72h}\n"

// Whatever the batches and restarts, the same is told, once and in order.
func TestTrafficIsToldOnceOverRestarts(t *testing.T) {
	section := []byte(trafficSection)
	now := time.Now()
	began := now.UTC().Add(-72 * time.Hour).Truncate(time.Microsecond)
	whole, _, _ := parse(section, "dc")
	made, faults := trafficOf(section).load(section, whole.Seed, whole.Site)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	made.Began = began
	tell := func(restart int) (keys []string) {
		cursor := trafficCursor{began: began, place: traffic.Place{At: began}}
		source := &trafficSource{traffic: traffic.New(made), cursor: cursor}
		for n := 0; ; n++ {
			batch, _ := source.next(now)
			if batch == nil || len(batch.GetEvents()) == 0 {
				return keys
			}
			for _, e := range batch.GetEvents() {
				keys = append(keys, e.GetSourceKey())
			}
			if n%restart == 0 {
				next, err := decodeTraffic(batch.GetCursor())
				if err != nil {
					t.Fatal(err)
				}
				source = &trafficSource{traffic: traffic.New(made), cursor: next}
			}
		}
	}
	once, again := tell(1<<30), tell(2)
	if len(once) < 100 || len(once) != len(again) {
		t.Fatalf("%d events in one life, %d in many", len(once), len(again))
	}
	for i := range once {
		if once[i] != again[i] {
			t.Fatalf("event %d is %s in one life and %s in many", i, once[i], again[i])
		}
	}
}

func TestTrafficFaults(t *testing.T) {
	for text, path := range map[string]string{
		"traffic: {profile: shoes}":                                         "traffic.profile",
		"traffic: {profile: grocery, awkward: {nonsense: 1}}":               "traffic.awkward.nonsense",
		"traffic: {profile: grocery, awkward: {late: 101}}":                 "traffic.awkward.late",
		"traffic: {profile: grocery, peak: 9}":                              "traffic.peak",
		"traffic: {profile: grocery, curve_file: /nowhere.csv}":             "traffic.curve_file",
		"traffic: {profile: grocery, orders_per_day: -1}":                   "traffic.orders_per_day",
		"traffic: {profile: grocery, history: 9000h}":                       "traffic.history",
		"traffic: {profile: ecommerce, awkward: {late: 5, duplicate: 0.5}}": "",
	} {
		_, _, faults := parse([]byte(text), "dc")
		if path == "" && len(faults) > 0 || path != "" && (len(faults) != 1 || faults[0].GetPath() != path || faults[0].GetLine() == 0) {
			t.Errorf("%s: %v, want %s", text, faults, path)
		}
	}
}
