// Package interop plays the same transcripts of clients to three servers with
// the same application: this project's Socket.IO engine, Node's socket.io, and
// github.com/zishang520/socket.io/v2. differences_test.go lists, with a reason
// each, where the others answer differently; doc/interop.md is made from it.
// The package also measures what decision 0001 rests on. Everything is behind
// the build tag interop, and node/ needs npm ci (make deps):
//
//	go test -tags interop -v ./test/interop
package interop
