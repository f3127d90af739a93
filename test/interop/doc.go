// Package interop runs the same client transcripts against this project's
// Socket.IO engine and against the reference peer
// github.com/zishang520/socket.io/v2, and measures what decision 0001 rests
// on. Everything is behind the build tag interop:
//
//	go test -tags interop -v ./test/interop
package interop
