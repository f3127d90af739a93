// Package wsframe is the WebSocket frame codec of the server side (RFC 6455): bytes in, messages and control
// frames out, and server frames appended to byte slices.
//
// The package is pure: it knows no connection, no goroutine and no clock, so that the reactor, the goroutine
// fallback, the simulator and the fuzzer share it. It builds on the value types of github.com/gobwas/ws and
// imports nothing else outside the standard library. Messages may be compressed (permessage-deflate, RFC 7692).
//
// A Decoder belongs to one connection and is used by one goroutine at a time. While nothing is incomplete it owns
// no buffer, which is what keeps an idle connection small.
package wsframe
