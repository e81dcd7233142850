package main

import "testing"

func TestMosquittoListensOnThePortOfTheURL(t *testing.T) {
	for url, want := range map[string]string{"": "8883", "mqtts://broker.example": "8883", "mqtts://broker.example:18883": "18883", "mqtts://[::1]:9000": "9000"} {
		if got := portOf(url); got != want {
			t.Errorf("%q: port %s, want %s", url, got, want)
		}
	}
}
