package main

import "net/http"

// hsts tells browsers to come by TLS only, for half a year.
const hsts = "max-age=15552000"

// Header.Set would make a slice of each value for each answer. Nobody may write
// into these.
var (
	noSniff    = []string{"nosniff"}
	noFrame    = []string{"DENY"}
	noReferrer = []string{"no-referrer"}
)

// setSecurityHeaders is for every answer but those of the engine, whose
// clients are no documents. Pages of other sites must not frame the console or
// guess what an answer is; who is linked to from here is told nothing. A
// handler may set its own in their place.
func setSecurityHeaders(h http.Header, tls bool) {
	h["X-Content-Type-Options"] = noSniff
	h["X-Frame-Options"] = noFrame
	h["Referrer-Policy"] = noReferrer
	if tls {
		h.Set("Strict-Transport-Security", hsts)
	}
}
