// Package relay lets a client's requests reach any server of a group, although its session lives on one of them.
//
// The session id names its server: it begins with a tag that every member of the group can derive from the server's
// name, and nobody else (Tag). A Relay stands in front of the server's own handler. A request without a session, or
// for a session of this server, goes straight to it. A request for a session of another server is passed on there, and
// the answer back; a WebSocket becomes a tunnel, two connections on a netpoll.Poller that cost no goroutine and no
// buffer while nothing is sent. When the owner is unknown or does not answer, the own handler gets the request and says
// what it says to any unknown session, so that the client begins a new one.
//
// Servers know each other by a shared secret: a passed-on request carries a header that is an HMAC over time, method,
// target, the client's address and what proxies said of it. A request with such a header is never passed on again. One
// whose header does not fit is refused. A server that serves TLS publishes the hash of its key with its address, and is
// spoken to by TLS, if it has that key.
//
// A Relay owns its connections to other servers, its poller and the tunnels between New and Close. Everything is
// bounded: requests and tunnels at a time, the time of each, and what may wait in a tunnel.
//
// The package imports the standard library, netpoll and connector/query.
package relay
