package wsclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Socket.IO packet types.
const (
	Connect      = '0'
	Disconnect   = '1'
	Event        = '2'
	Ack          = '3'
	ConnectError = '4'
)

// Config says where and as whom to connect.
type Config struct {
	Addr      string // host:port
	Path      string // "" is /socket.io/
	EIO       int    // 3 or 4
	Namespace string
	Query     url.Values // uuid, userid, platform, …
	LocalIP   net.IP     // source address, nil for any
}

// Packet is one Socket.IO text packet.
type Packet struct {
	Type      byte
	Namespace string
	ID        int // ack id, -1 for none
	Data      json.RawMessage
}

// Name returns the event name of an Event packet, "" otherwise.
func (p Packet) Name() string {
	var parts []json.RawMessage
	var name string
	if p.Type == Event && json.Unmarshal(p.Data, &parts) == nil && len(parts) > 0 {
		_ = json.Unmarshal(parts[0], &name)
	}
	return name
}

// Arg decodes the i-th argument of an Event (after the name) or Ack packet.
func (p Packet) Arg(i int, into any) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(p.Data, &parts); err != nil {
		return err
	}
	if p.Type == Event {
		i++
	}
	if i >= len(parts) {
		return fmt.Errorf("wsclient: %s has no argument %d", p.Data, i)
	}
	return json.Unmarshal(parts[i], into)
}

// Refused is the error of Dial when the server answers the CONNECT with an error packet.
type Refused struct{ Text string }

func (r *Refused) Error() string { return "wsclient: refused: " + r.Text }

// Conn is a connected namespace.
type Conn struct {
	*Socket
	EIO       int
	Namespace string
}

// Dial connects, waits for the open packet, sends the CONNECT and waits for its answer. ctx bounds the whole.
func Dial(ctx context.Context, cfg Config) (*Conn, error) {
	path := cfg.Path
	if path == "" {
		path = "/socket.io/"
	}
	query := url.Values{"EIO": {strconv.Itoa(cfg.EIO)}, "transport": {"websocket"}}
	for k, v := range cfg.Query {
		query[k] = v
	}
	s, err := DialSocket(ctx, cfg.Addr, path+"?"+query.Encode(), cfg.LocalIP)
	if err != nil {
		return nil, err
	}
	c := &Conn{Socket: s, EIO: cfg.EIO, Namespace: cfg.Namespace}
	if deadline, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(deadline)
	}
	if err := c.handshake(cfg.Query); err != nil {
		_ = c.Close()
		return nil, err
	}
	_ = c.SetDeadline(time.Time{})
	return c, nil
}

func (c *Conn) handshake(query url.Values) error {
	_, open, err := c.ReadMessage()
	if err != nil {
		return fmt.Errorf("wsclient: waiting for the open packet: %w", err)
	}
	if len(open) == 0 || open[0] != '0' {
		return fmt.Errorf("wsclient: %q instead of the open packet", open)
	}
	connect := "40" + c.Namespace + ","
	if c.EIO == 3 {
		connect = "40" + c.Namespace + "?" + query.Encode() + ","
	}
	if err := c.WriteText(connect); err != nil {
		return err
	}
	for {
		p, err := c.Next()
		if err != nil {
			return fmt.Errorf("wsclient: waiting for the CONNECT answer: %w", err)
		}
		if p.Namespace != c.Namespace {
			continue // Engine.IO 3: the implicit CONNECT of the main namespace.
		}
		switch p.Type {
		case Connect:
			return nil
		case ConnectError:
			return &Refused{Text: refusal(p.Data)}
		default:
			return fmt.Errorf("wsclient: packet %c %s before the CONNECT answer", p.Type, p.Data)
		}
	}
}

// refusal reads both forms: "text" of Socket.IO protocol 4, {"message":"text"} of 5.
func refusal(data json.RawMessage) string {
	var text string
	if json.Unmarshal(data, &text) == nil {
		return text
	}
	var object struct{ Message string }
	if json.Unmarshal(data, &object) == nil {
		return object.Message
	}
	return string(data)
}

// Next returns the next Socket.IO packet of any namespace. Engine.IO pings are answered; pongs, noops and the events
// that tell a client where its recovery would begin are skipped.
// SetReadDeadline bounds it.
func (c *Conn) Next() (Packet, error) {
	for {
		op, msg, err := c.ReadMessage()
		if err != nil {
			return Packet{}, err
		}
		if op != OpText || len(msg) == 0 {
			return Packet{}, fmt.Errorf("wsclient: message with opcode %d and %d bytes", op, len(msg))
		}
		switch msg[0] {
		case '1':
			return Packet{}, ErrClosed
		case '2':
			if err := c.WriteText("3" + string(msg[1:])); err != nil {
				return Packet{}, err
			}
		case '3', '6':
		case '4':
			p, err := ParsePacket(string(msg[1:]))
			if err == nil && p.Name() == "offset" {
				continue
			}
			return p, err
		default:
			return Packet{}, fmt.Errorf("wsclient: engine packet %.80q", msg)
		}
	}
}

// Ping sends the heartbeat of an Engine.IO 3 client.
func (c *Conn) Ping() error { return c.WriteText("2") }

// Emit sends an event; ack < 0 asks for no acknowledgement.
func (c *Conn) Emit(ack int, event string, args ...any) error {
	data, err := json.Marshal(append([]any{event}, args...))
	if err != nil {
		return err
	}
	id := ""
	if ack >= 0 {
		id = strconv.Itoa(ack)
	}
	return c.WriteText("42" + c.Namespace + "," + id + string(data))
}

// ParsePacket reads a text packet without its Engine.IO type: type, "/ns,", ack id, JSON.
func ParsePacket(s string) (Packet, error) {
	if s == "" || s[0] < Connect || s[0] > ConnectError {
		return Packet{}, fmt.Errorf("wsclient: socket packet %.80q", s)
	}
	p := Packet{Type: s[0], Namespace: "/", ID: -1}
	s = s[1:]
	if strings.HasPrefix(s, "/") {
		name, rest, found := strings.Cut(s, ",")
		if !found {
			name, rest = s, ""
		}
		p.Namespace, _, _ = strings.Cut(name, "?")
		s = rest
	}
	digits := 0
	for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
		digits++
	}
	if digits > 0 {
		id, err := strconv.Atoi(s[:digits])
		if err != nil {
			return Packet{}, fmt.Errorf("wsclient: ack id: %w", err)
		}
		p.ID = id
	}
	if s = s[digits:]; s != "" {
		if !json.Valid([]byte(s)) {
			return Packet{}, errors.New("wsclient: data is not JSON")
		}
		p.Data = json.RawMessage(s)
	}
	return p, nil
}
