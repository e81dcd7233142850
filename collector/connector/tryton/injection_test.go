package tryton_test

import (
	"net/http"

	"github.com/dockline/dockline/collector/connector/connectortest"
	office "github.com/dockline/dockline/testenv/tryton"
)

func endSession(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	w.WriteHeader(http.StatusUnauthorized)
}

// injections are the ways in which the conformance suite makes a call fail.
var injections = map[connectortest.Injection]office.Strike{
	connectortest.LoseAnswer: office.LoseAnswer,
	connectortest.ServerError: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.WriteHeader(http.StatusInternalServerError)
	},
	connectortest.Hang: func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		<-r.Context().Done()
	},
	connectortest.Throttle: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	},
}
