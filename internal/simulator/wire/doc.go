// Package wire is the client's side of HTTP/1.1, WebSocket, Engine.IO 3 and 4 and Socket.IO, as far as a simulated device
// needs it: it finds frames and fields without decoding what nobody asks for, and builds what a device sends.
//
// It is pure: bytes in, values out. It shares no code with the server it judges, on purpose. Everything a server controls
// is bounded. It imports the standard library only.
package wire
