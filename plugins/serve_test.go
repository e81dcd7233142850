package plugins

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/stats"
)

func TestAProcessEndsWhenItsHostIsGone(t *testing.T) {
	begin, end := &stats.ConnBegin{}, &stats.ConnEnd{}
	for name, test := range map[string]struct {
		steps []stats.ConnStats
		gone  time.Duration // after the last step; 0: never
	}{
		"nobody came":            {nil, time.Minute},
		"the host is there":      {[]stats.ConnStats{begin}, 0},
		"the host went":          {[]stats.ConnStats{begin, end}, time.Second},
		"one connection of two":  {[]stats.ConnStats{begin, begin, end}, 0},
		"the host connects anew": {[]stats.ConnStats{begin, end, begin}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan time.Time, 1)
				w := newHostWatch(lonely, orphaned, func() { ended <- time.Now() })
				open := 0
				for _, s := range test.steps {
					if open--; s == begin {
						open += 2
					}
					w.HandleConn(context.Background(), s)
				}
				from := time.Now()
				select {
				case at := <-ended:
					if test.gone == 0 || at.Sub(from) != test.gone {
						t.Errorf("it ended after %s, want %s", at.Sub(from), test.gone)
					}
				case <-time.After(time.Hour):
					if test.gone != 0 {
						t.Error("it did not end")
					}
					for range open {
						w.HandleConn(context.Background(), end)
					}
					<-ended
				}
			})
		})
	}
}

func TestLogIsReadableForTheHost(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{ReplaceAttr: hclogKeys}))
	log.Warn("battery is low", "device", "RF-7")
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line["@level"] != "warn" || line["@message"] != "battery is low" || line["device"] != "RF-7" {
		t.Errorf("%s", &out)
	}
	if _, err := time.Parse("2006-01-02T15:04:05.000000Z07:00", line["@timestamp"].(string)); err != nil {
		t.Error(err)
	}
}
