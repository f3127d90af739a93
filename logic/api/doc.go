// Package api is the RESTful API of a logic process: the routes of
// light-push-wire.md section 1 on gin, in front of the push domain and the
// reports. doc/openapi.yaml describes it; a test checks every answer of the
// tests against that document.
//
// The life of a request: ServeHTTP brings the path into its one canonical
// form (path.go), gin finds the route, begin gives the request its id, its
// common headers and its guard against panics (middleware.go), the credential
// is checked (auth.go, failures.go) or, without one, the cookie of the web
// console and what its role may do (session.go), then the body is read and
// parsed (body.go), the handler runs under a deadline, what it did is written
// to the audit log (audit.go), and send writes the answer. Every refusal comes
// from the one table in errors.go.
//
// An API owns no goroutine, needs no closing and is safe for concurrent use.
// It may import gin, the domain packages and logic/report; never go-redis and
// never connector. Credentials, bodies and queries are not logged.
package api
