// Package console is what an operator sees and does besides the REST API of
// business systems: sessions of the web console and their roles, the audit
// log, figures by the minute, and walks through rooms, users and devices that
// stay bounded however many there are.
//
// It declares the stores it needs and imports the domain packages only,
// neither gin nor go-redis. A Sampler owns one goroutine between Start and
// Close; everything else owns none and is safe for concurrent use.
package console
