// Package engineio is a server for Engine.IO protocol 3 and 4: long-polling (with JSONP), WebSocket, the upgrade
// between them, heartbeats in both directions. It knows nothing of what travels in its messages and can be
// imported by any program. The sections named in comments are those of the wire reference of the project.
//
// A Server is an http.Handler. For each handshake it calls Handler.OnOpen, which returns the Receiver of the
// session; from then on Session.Send queues messages and Receiver.OnMessage gets what the client sends.
//
// # Goroutines
//
// A session owns no goroutine. Polling requests run in the goroutines of the HTTP server, WebSocket bytes arrive
// from the netpoll.Poller, timers from the runtime. One short goroutine per session calls Receiver.OnClose.
// Server.Shutdown ends everything and returns when it is gone; a poller made by the server is closed with it.
//
// # Locks
//
// Every session has two mutexes. Session.in serialises the calls of its Receiver and is held during OnOpen and
// OnMessage; no method of Session that an application may call takes it. Session.mu guards the state and is never
// held while a Receiver, a Handler or a hook runs. The order is in, mu, then the leaves (the tables of Server, the
// lock of a netpoll.Conn). Functions with the suffix Locked require mu. Receiver.OnClose runs under no lock.
//
// The package imports the standard library, github.com/gobwas/ws, and its neighbours wsframe and netpoll.
package engineio
