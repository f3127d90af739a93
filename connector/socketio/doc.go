// Package socketio is a Socket.IO server for protocol revisions 4 and 5, that
// is for clients of the generations 1.x, 2.x, 3.x and 4.x at once. It sits on
// connector/engineio and knows nothing of what it is used for; any Go program
// can import it.
//
// # Overview
//
// A Server holds namespaces: static ones made by Of, and dynamic ones that a
// Resolver admits by name. A Namespace has middlewares, event handlers and a
// connection handler, all registered before the server takes connections and
// shared by its sockets, so that an idle socket owns no map and no closure. A
// Socket is one client in one namespace.
//
// # Which goroutine runs what
//
// Everything that concerns one client in one namespace (middlewares, the
// connection handler, event handlers, the disconnect handler) runs one after
// the other in the order of arrival, on a goroutine that exists only while
// there is something to do. These may block: later events of that client
// wait, other clients do not. Resolvers and OnAck run on the goroutine that
// reads the connection; ack callbacks run there too, or on that of a timer, or
// on that of whoever ends the socket. Those must not block. A panic in any of
// them costs its client the connection, and nobody else anything.
//
// Start: register, then mount the Server. Stop: Shutdown, which returns when
// every disconnect handler has.
//
// # What cannot get lost
//
// Packets that arrive before a namespace is connected wait for the connection
// handler. Broadcasts that reach a socket between its first Join (a
// middleware may already join) and the return of the connection handler are
// held and follow what that handler has emitted. So the order a client sees
// is: CONNECT answer, what the connection handler emits, broadcasts.
//
// Nothing reaches a client in a namespace after DISCONNECT, and its disconnect
// handler comes behind the last of its events.
//
// # Recovery
//
// With Options.Recovery a client whose connection broke may continue as the
// same socket (id, rooms, Data) and gets the events it missed, ahead of its
// CONNECT answer. Either a RecoveryStore of this process keeps them, or the
// application does and uses Socket.Resume and Socket.Replay. A pid is taken out
// of the store when it is used, so no two sockets ever share it (quirk Q12 is
// not copied).
//
// # Bounds
//
// Events that wait for a slow handler stop the reading of that connection
// (Options.InboundEvents, InboundBytes); what waits for a slow client is
// bounded by the engine's SendBuffer, and beyond it the client is disconnected
// with engineio.ReasonSlowClient. Namespaces per connection and attachments per
// packet are bounded too, and nothing is kept of namespaces that do not exist.
//
// # Locks
//
// Socket.mu is held while the engine sends, which orders everything a client
// gets; the engine never calls back from there. Order: Socket.mu, then
// lane.mu, a shard of the room table, or the session's; conn.mu, then lane.mu.
// Where the engine keeps events for recovery, Namespace.keeping comes before
// Socket.mu, and orders the events of a namespace among each other.
// No callback of the application runs under a lock of this package.
//
// The package imports the standard library and connector/engineio.
//
// Protocol rules cite the public Socket.IO protocol documents; "SIO4" is
// revision 4 (spoken by Engine.IO 3 clients), "SIO5" revision 5.
package socketio
