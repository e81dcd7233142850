package api

import (
	"errors"
	"net/http"
)

// Guard lets through to next who bears a token. It is for answers that have a home of their own.
func Guard(tokens Tokens, next http.Handler) http.Handler { return guarded(tokens, false, next) }

// GuardWhole is Guard for what is told of all tenants at once: a token of some of them is not enough.
func GuardWhole(tokens Tokens, next http.Handler) http.Handler { return guarded(tokens, true, next) }

func guarded(tokens Tokens, whole bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		named, ok := tokens.bearer(r)
		if !ok {
			w.Header().Set("WWW-Authenticate", `Bearer realm="dockline"`)
			write(w, &Problem{Status: http.StatusUnauthorized, Detail: "Send the API's token as Authorization: Bearer TOKEN."})
			return
		}
		if named != nil {
			err := named.limits(r)
			if whole && len(named.Tenants) > 0 {
				err = &Problem{Status: http.StatusForbidden, Detail: "This tells of all tenants: it takes a token without tenants."}
			}
			if problem, is := errors.AsType[*Problem](err); is {
				write(w, problem)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}
