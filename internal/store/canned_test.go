package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// canned is the connection to a server that gives every command a ready
// answer, without a goroutine and without memory: what is left to measure is
// this side, the commands and the reading of the replies. It belongs to one
// goroutine at a time, as connections of go-redis do.
type canned struct {
	answers map[string]string // by command
	request []byte            // commands that are not complete yet
	replies []byte
}

// cannedStore is a Store in front of canned answers.
func cannedStore(b *testing.B, answers map[string]string, change func(*Options)) *Store {
	b.Helper()
	m := miniredis.RunT(b) // it loads the scripts
	o := Options{Addresses: []string{m.Addr()}, PoolSize: 2, Now: func() time.Time { return at }}
	if change != nil {
		change(&o)
	}
	s, err := Open(b.Context(), o)
	check(b, err)
	// Everything later goes to the answers.
	o.Dialer = func(context.Context, string, string) (net.Conn, error) { return &canned{answers: answers}, nil }
	open := s.rdb
	s.rdb = newClient(func() Options { o.setDefaults(); return o }())
	b.Cleanup(func() {
		_ = s.rdb.Close()
		s.rdb = open
		check(b, s.Close())
	})
	return s
}

var errCanned = errors.New("not a command")

// Write takes commands, arrays of bulk strings.
func (c *canned) Write(p []byte) (int, error) {
	c.request = append(c.request, p...)
	rest := c.request
	for len(rest) > 0 {
		name, after, ok, err := command(rest)
		if err != nil {
			return 0, err
		}
		if !ok {
			break
		}
		answer, known := c.answers[string(name)]
		if !known {
			answer = "-ERR unknown command\r\n"
		}
		c.replies = append(c.replies, answer...)
		rest = after
	}
	c.request = c.request[:copy(c.request, rest)]
	return len(p), nil
}

// command cuts off the first command; ok is false while it is not complete.
func command(p []byte) (name, rest []byte, ok bool, err error) {
	n, rest, ok, err := length(p, '*')
	for i := range n {
		var size int
		if size, rest, ok, err = length(rest, '$'); !ok {
			return nil, nil, false, err
		}
		if len(rest) < size+2 {
			return nil, nil, false, nil
		}
		if i == 0 {
			name = rest[:size]
		}
		rest = rest[size+2:]
	}
	return name, rest, ok, err
}

func length(p []byte, kind byte) (n int, rest []byte, ok bool, err error) {
	line, rest, ok := bytes.Cut(p, []byte("\r\n"))
	if !ok {
		return 0, nil, false, nil
	}
	if line[0] != kind {
		return 0, nil, false, errCanned
	}
	for _, c := range line[1:] {
		n = n*10 + int(c-'0')
	}
	return n, rest, true, nil
}

// Read gives what was answered; go-redis reads after it has written.
func (c *canned) Read(p []byte) (int, error) {
	if len(c.replies) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.replies)
	c.replies = c.replies[:copy(c.replies, c.replies[n:])]
	return n, nil
}

func (*canned) Close() error                     { return nil }
func (*canned) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*canned) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (*canned) SetDeadline(time.Time) error      { return nil }
func (*canned) SetReadDeadline(time.Time) error  { return nil }
func (*canned) SetWriteDeadline(time.Time) error { return nil }

// Replies in the form of the protocol.
func bulk(s string) string { return "$" + strconv.Itoa(len(s)) + "\r\n" + s + "\r\n" }
func number(n int) string  { return ":" + strconv.Itoa(n) + "\r\n" }
func array(items ...string) string {
	text := "*" + strconv.Itoa(len(items)) + "\r\n"
	for _, item := range items {
		text += item
	}
	return text
}
