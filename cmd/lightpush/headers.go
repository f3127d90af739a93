package main

import "net/http"

// hsts tells browsers to come by TLS only, for half a year.
const hsts = "max-age=15552000"

// setSecurityHeaders is for every answer but those of the engine, whose
// clients are no documents. Pages of other sites must not frame the console or
// guess what an answer is; who is linked to from here is told nothing. A
// handler may set its own in their place.
func setSecurityHeaders(h http.Header, tls bool) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	if tls {
		h.Set("Strict-Transport-Security", hsts)
	}
}
