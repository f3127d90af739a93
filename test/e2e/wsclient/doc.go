// Package wsclient is a small Socket.IO client over WebSocket for tests that need thousands of connections or exact
// control of the bytes: Engine.IO 3 and 4, text packets, one namespace per connection.
//
// It shares no code with the server, so that a misreading of the wire cannot cancel itself out. It starts no
// goroutine: a Conn is read by its caller, and heartbeats of Engine.IO 4 are answered while the caller reads. With
// Engine.IO 3 the client has to ping; the caller does that with Conn.Ping.
package wsclient
