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
// from the netpoll.Poller. Heartbeats and timeouts of all sessions are on one timing wheel, whose goroutine exists
// while some are due; Server.AfterFunc lends it to the application. One short goroutine per session calls
// Receiver.OnClose. Server.Shutdown ends everything and returns when it is gone; a poller made by the server is
// closed with it, as is the wheel.
//
// # Sending to many
//
// A Message is encoded once and shared. Session.Send writes at once, in the goroutine of the caller: right for one
// message to many sessions. For several messages in a row, Session.SendDeferred with a Batch makes those of one
// session leave in one system call; one Send with all of them is cheaper still. The order of the calls for one
// session is the order on the wire, whichever of them is used.
//
// # Locks
//
// Every session has two mutexes. Session.in serialises the calls of its Receiver and is held during OnOpen and
// OnMessage; no method of Session that an application may call takes it. Session.mu guards the state and is never
// held while a Receiver, a Handler or a hook runs. The order is in, mu, then the leaves (the tables of Server, the
// timing wheel, the locks of a netpoll.Conn). Functions with the suffix Locked require mu. Receiver.OnClose runs under
// no lock.
//
// The package imports the standard library, github.com/gobwas/ws with its header parser, and its neighbours wsframe,
// netpoll, query and internal/wheel.
package engineio
