package api

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
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
		if err := legible(r); err != nil {
			write(w, err)
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

// legible refuses an address whose parameters cannot all be read, or that holds what is no text: one database takes it and another does not, and a
// parameter that is left out asks for something else.
func legible(r *http.Request) *Problem {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return &Problem{Status: http.StatusBadRequest, Detail: "The address cannot be read behind its question mark: " + err.Error() + "."}
	}
	texts := []string{r.URL.Path}
	for name, values := range query {
		texts = append(append(texts, name), values...)
	}
	for _, text := range texts {
		if !isText(text) {
			return &Problem{Status: http.StatusBadRequest, Detail: "The address holds bytes that are no text: encode it as UTF-8, without zero characters."}
		}
	}
	return nil
}

func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }
