package wsclient

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Opcodes of RFC 6455 section 5.2.
const (
	OpText   = 0x1
	OpBinary = 0x2
	OpClose  = 0x8
	OpPing   = 0x9
	OpPong   = 0xA
)

// maxFrame bounds what a server may send in one frame.
const maxFrame = 4 << 20

// ErrClosed reports a close frame of the server.
var ErrClosed = errors.New("wsclient: closed by the server")

// Socket is a WebSocket connection. One goroutine may read while others write.
type Socket struct {
	net.Conn
	br *bufio.Reader

	mu sync.Mutex // serialises writes
}

// DialSocket connects to addr (host:port) and upgrades a GET of target (path and query). localIP, if not nil, is the
// source address: it spreads large tests over several loopback addresses, since ports per address are finite. An
// answer other than 101 is an error that names the status.
func DialSocket(ctx context.Context, addr, target string, localIP net.IP) (*Socket, error) {
	var d net.Dialer
	if localIP != nil {
		d.LocalAddr = &net.TCPAddr{IP: localIP}
	}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	s := &Socket{Conn: conn, br: bufio.NewReaderSize(conn, 1024)}
	if err := s.upgrade(addr, target); err != nil {
		_ = conn.Close()
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	return s, nil
}

func (s *Socket) upgrade(addr, target string) error {
	key := make([]byte, 16)
	_, _ = rand.Read(key)
	if _, err := fmt.Fprintf(s.Conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n",
		target, addr, base64.StdEncoding.EncodeToString(key)); err != nil {
		return err
	}
	resp, err := http.ReadResponse(s.br, nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // empty after a 101
	if resp.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
		return fmt.Errorf("wsclient: upgrade answered %d %q", resp.StatusCode, body)
	}
	return nil
}

// WriteText sends one masked text frame.
func (s *Socket) WriteText(text string) error { return s.WriteFrame(OpText, []byte(text)) }

// WriteFrame sends one final masked frame.
func (s *Socket) WriteFrame(op byte, payload []byte) error {
	return s.WriteRaw(AppendFrame(nil, 0x80|op, payload))
}

// WriteRaw sends bytes as they are, legal or not.
func (s *Socket) WriteRaw(b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.Write(b)
	return err
}

// AppendFrame appends a masked frame whose first byte (FIN, RSV, opcode) is head.
func AppendFrame(dst []byte, head byte, payload []byte) []byte {
	dst = append(dst, head)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<16:
		dst = append(dst, 0x80|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	default:
		dst = append(dst, 0x80|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(n))
	}
	var mask [4]byte
	_, _ = rand.Read(mask[:])
	dst = append(dst, mask[:]...)
	for i, b := range payload {
		dst = append(dst, b^mask[i&3])
	}
	return dst
}

// ReadMessage returns the next text or binary message; control frames are handled on the way. A close frame is
// answered and ends in ErrClosed.
func (s *Socket) ReadMessage() (op byte, payload []byte, err error) {
	var message []byte
	for {
		fin, frameOp, data, err := s.readFrame()
		if err != nil {
			return 0, nil, err
		}
		switch frameOp {
		case OpPing:
			if err := s.WriteFrame(OpPong, data); err != nil {
				return 0, nil, err
			}
			continue
		case OpPong:
			continue
		case OpClose:
			_ = s.WriteFrame(OpClose, data)
			return 0, nil, ErrClosed
		case OpText, OpBinary:
			op = frameOp
		}
		if message = append(message, data...); len(message) > maxFrame {
			return 0, nil, fmt.Errorf("wsclient: message over %d bytes", maxFrame)
		}
		if fin {
			return op, message, nil
		}
	}
}

func (s *Socket) readFrame() (fin bool, op byte, payload []byte, err error) {
	var head [8]byte
	if _, err = io.ReadFull(s.br, head[:2]); err != nil {
		return
	}
	fin, op = head[0]&0x80 != 0, head[0]&0x0F
	if head[0]&0x70 != 0 || head[1]&0x80 != 0 {
		return false, 0, nil, fmt.Errorf("wsclient: illegal frame head %#x %#x", head[0], head[1])
	}
	n := uint64(head[1])
	switch n {
	case 126:
		if _, err = io.ReadFull(s.br, head[:2]); err != nil {
			return
		}
		n = uint64(binary.BigEndian.Uint16(head[:2]))
	case 127:
		if _, err = io.ReadFull(s.br, head[:8]); err != nil {
			return
		}
		n = binary.BigEndian.Uint64(head[:8])
	}
	if n > maxFrame {
		return false, 0, nil, fmt.Errorf("wsclient: frame of %d bytes", n)
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(s.br, payload)
	return
}
