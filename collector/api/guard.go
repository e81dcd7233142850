package api

import "net/http"

// Guard lets through to next who bears the token; "" lets everybody through. It is for answers that have a home of their own.
func Guard(token string, next http.Handler) http.Handler {
	return (&server{Config: Config{Token: token}}).guarded(next)
}
