package main

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// incomplete counts the connections that end before they have brought a whole request: headers that trickle in until
// the timeout, port scans, clients of another protocol. It remembers a connection until its first request only.
type incomplete struct {
	count   func()
	waiting sync.Map // of net.Conn
}

type connKey struct{}

// watchIncomplete has server call count for every such connection. It must be called before server serves.
func watchIncomplete(server *http.Server, count func()) {
	i := &incomplete{count: count}
	handler := server.Handler
	server.ConnState = i.changed
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.waiting.Delete(r.Context().Value(connKey{}))
		handler.ServeHTTP(w, r)
	})
}

func (i *incomplete) changed(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		i.waiting.Store(c, nil)
	case http.StateClosed:
		if _, waited := i.waiting.LoadAndDelete(c); waited {
			i.count()
		}
	}
}
