package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// This file is a Socket.IO client of protocol 5 on the websocket transport, as small as it can be: one namespace, events
// with and without acks, text only, and connection state recovery. Its types know nothing of lightpush.

// Refused is the server's "no" to a CONNECT, with its text.
type Refused struct{ Message string }

func (r Refused) Error() string { return r.Message }

// ErrServerDisconnect is the end of a session by the server's decision, which is not to be undone by coming back.
var ErrServerDisconnect = errors.New("io server disconnect")

// Session is what a client keeps between two connections to continue where it was.
type Session struct{ pid, offset string }

// Socket is one connection in one namespace. Emit may be called from any goroutine; events come one after the other on
// the goroutine of Run.
type Socket struct {
	Recovered bool // the server has continued the session: rooms are back, missed events have come

	ws        *websocket.Conn
	namespace string
	session   *Session
	silence   time.Duration // no word for so long: the connection is dead

	mu      sync.Mutex
	nextID  int
	waiting map[int]func(answer []json.RawMessage)
}

// Event is one event of the server. Ack confirms it; it is nil when none was asked for.
type Event struct {
	Name string
	Args []json.RawMessage
	Ack  func()
}

// Dial opens the websocket and sends CONNECT with auth. What the session was comes from and goes into session.
func Dial(ctx context.Context, base, namespace string, query url.Values, auth map[string]string, session *Session) (*Socket, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	u.Scheme = strings.Replace(u.Scheme, "http", "ws", 1)
	u.Path = "/socket.io/"
	q := url.Values{"EIO": {"4"}, "transport": {"websocket"}}
	for name, values := range query {
		q[name] = values
	}
	u.RawQuery = q.Encode()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, u.String(), nil)
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(16 << 20)
	s := &Socket{ws: ws, namespace: namespace, session: session, waiting: map[int]func([]json.RawMessage){}}
	if err := s.open(ctx, auth); err != nil {
		_ = ws.CloseNow()
		return nil, err
	}
	return s, nil
}

func (s *Socket) open(ctx context.Context, auth map[string]string) error {
	_, packet, err := s.ws.Read(ctx)
	if err != nil {
		return err
	}
	var hello struct{ PingInterval, PingTimeout int }
	if len(packet) == 0 || packet[0] != '0' || json.Unmarshal(packet[1:], &hello) != nil {
		return fmt.Errorf("no Engine.IO server: %.100q", packet)
	}
	s.silence = time.Duration(hello.PingInterval+hello.PingTimeout) * time.Millisecond
	payload := map[string]string{}
	for name, value := range auth {
		payload[name] = value
	}
	if s.session.pid != "" {
		payload["pid"], payload["offset"] = s.session.pid, s.session.offset
	}
	return s.write(ctx, "0", payload)
}

// write sends a Socket.IO packet: its type, the namespace, then the payload as JSON.
func (s *Socket) write(ctx context.Context, kind string, payload any) error {
	kind, id, _ := strings.Cut(kind, ":")
	body, err := json.Marshal(payload)
	if err != nil {
		return err
	}
	return s.ws.Write(ctx, websocket.MessageText, []byte("4"+kind+s.namespace+","+id+string(body)))
}

// Emit sends an event; answer, unless nil, is called with what the server answers.
func (s *Socket) Emit(ctx context.Context, name string, arg any, answer func([]json.RawMessage)) error {
	kind := "2"
	if answer != nil {
		s.mu.Lock()
		kind = "2:" + strconv.Itoa(s.nextID)
		s.waiting[s.nextID] = answer
		s.nextID++
		s.mu.Unlock()
	}
	return s.write(ctx, kind, []any{name, arg})
}

// Run reads until the connection ends and hands every event to handle, and to connected the moment the server accepts.
func (s *Socket) Run(ctx context.Context, connected func(), handle func(Event)) error {
	defer s.ws.CloseNow()
	for {
		packet, err := s.read(ctx)
		if err != nil {
			return err
		}
		switch {
		case packet == "2": // ping
			if err := s.ws.Write(ctx, websocket.MessageText, []byte("3")); err != nil {
				return err
			}
		case strings.HasPrefix(packet, "4"):
			if err := s.packet(ctx, packet[1:], connected, handle); err != nil {
				return err
			}
		}
	}
}

func (s *Socket) read(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.silence)
	defer cancel()
	_, packet, err := s.ws.Read(ctx)
	return string(packet), err
}

func (s *Socket) packet(ctx context.Context, packet string, connected func(), handle func(Event)) error {
	if packet == "" {
		return errors.New("empty packet")
	}
	kind, rest := packet[0], strings.TrimPrefix(packet[1:], s.namespace)
	rest = strings.TrimPrefix(rest, ",")
	digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
	id, body := rest[:digits], []byte(rest[digits:])
	switch kind {
	case '0': // connected
		var c struct{ PID string }
		_ = json.Unmarshal(body, &c)
		s.Recovered = c.PID != "" && c.PID == s.session.pid
		if !s.Recovered {
			*s.session = Session{pid: c.PID}
		}
		connected()
	case '1':
		*s.session = Session{}
		return ErrServerDisconnect
	case '2':
		return s.event(ctx, id, body, handle)
	case '3':
		s.answer(id, body)
	case '4':
		var refused Refused
		_ = json.Unmarshal(body, &refused)
		return refused
	}
	return nil
}

func (s *Socket) event(ctx context.Context, id string, body []byte, handle func(Event)) error {
	var args []json.RawMessage
	var name string
	if json.Unmarshal(body, &args) != nil || len(args) == 0 || json.Unmarshal(args[0], &name) != nil {
		return fmt.Errorf("unreadable event: %.100q", body)
	}
	if last := args[len(args)-1]; s.session.pid != "" && len(args) > 1 && bytes.HasPrefix(last, []byte{'"'}) {
		_ = json.Unmarshal(last, &s.session.offset) // how far this client has got
	}
	e := Event{Name: name, Args: args[1:]}
	if id != "" {
		e.Ack = func() { _ = s.write(ctx, "3:"+id, []any{}) }
	}
	handle(e)
	return nil
}

func (s *Socket) answer(id string, body []byte) {
	n, _ := strconv.Atoi(id)
	s.mu.Lock()
	f := s.waiting[n]
	delete(s.waiting, n)
	s.mu.Unlock()
	var args []json.RawMessage
	if f != nil && json.Unmarshal(body, &args) == nil {
		f(args)
	}
}

// Close leaves the namespace and closes the connection.
func (s *Socket) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.ws.Write(ctx, websocket.MessageText, []byte("41"+s.namespace+","))
	_ = s.ws.Close(websocket.StatusNormalClosure, "")
}
