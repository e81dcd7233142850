package connector

import (
	"context"
	"time"
)

// Exchange is one request of a connector and what came of it, for people who try a definition. Its connector has hidden every secret in it.
type Exchange struct {
	// Purpose says what the request is for where it is none of the definition's own: "login".
	Purpose string
	Method  string
	URL     string
	// Headers and AnswerHeaders hold one line for each name.
	Headers map[string]string
	Body    string
	// Status is 0 where there was no answer; Error says why.
	Status        int
	AnswerHeaders map[string]string
	Answer        string
	Error         string
	Took          time.Duration
}

// traceKey is where a call carries who wants to see its requests.
type traceKey struct{}

// WithTrace has the requests that a connector makes within the context shown, one after the other. A connector that shows none just works.
func WithTrace(ctx context.Context, show func(Exchange)) context.Context {
	return context.WithValue(ctx, traceKey{}, show)
}

// Tracer is who wants to see the requests of a call; nil is nobody.
func Tracer(ctx context.Context) func(Exchange) {
	show, _ := ctx.Value(traceKey{}).(func(Exchange))
	return show
}
