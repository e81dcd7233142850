package http

import (
	nethttp "net/http"
	"testing"
	"time"
)

func TestRetryAfterIsNeverNegativeOrForEver(t *testing.T) {
	now := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, "-1": 0, "soon": 0, "99999": 24 * time.Hour,
		"9223372036": 24 * time.Hour, "9223372037": 24 * time.Hour, "99999999999999": 24 * time.Hour, "99999999999999999999": 0,
		"Tue, 24 Nov 2026 08:00:30 GMT": 30 * time.Second, "Tue, 24 Nov 2020 08:00:00 GMT": 0,
	} {
		if got := retryAfter(nethttp.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("Retry-After: %s is %s, want %s", value, got, want)
		}
	}
}
