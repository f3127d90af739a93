//go:build interop

package interop

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/gobwas/ws"
)

// What a client waits for: an answer that must come, and one that must not.
const (
	patience = 3 * time.Second
	moment   = 150 * time.Millisecond
)

// act is one thing a client does. It returns what the client has seen of it, in a form that does not depend on the
// peer's random values; "" for what has no answer.
type act struct {
	text string // for people; it also names the act in the list of differences
	run  func(c *client) string
}

// client plays one transcript.
type client struct {
	base  string // URL of the server
	query string // of a polling session, with its sid
	http  *http.Client

	ctx  context.Context // of the held GET
	end  context.CancelFunc
	held chan string

	ws, other *socket
	raw       net.Conn // of an unfinished POST
	ackID     string   // of the server's latest question
}

type socket struct {
	nc net.Conn
	r  *bufio.Reader
}

func newClient(base string) *client {
	return &client{base: base, http: &http.Client{
		Transport: &http.Transport{DisableCompression: true}, Timeout: patience,
	}}
}

func (c *client) close() {
	if c.end != nil {
		c.end()
	}
	for _, s := range []*socket{c.ws, c.other} {
		if s != nil {
			s.nc.Close()
		}
	}
	if c.raw != nil {
		c.raw.Close()
	}
	c.http.CloseIdleConnections()
}

var (
	sidText = regexp.MustCompile(`"sid\\?":\\?"([A-Za-z0-9_-]{20,})\\?"`)
	askText = regexp.MustCompile(`^(42)(\d+)(\["question")`)
	space   = strings.NewReplacer("\x1e", "␞", "\n", `\n`, "\r", `\r`, "\u2028", "<U+2028>")
)

// visible makes a body or frame printable, and the same for every peer.
func visible(body []byte, binary bool) string {
	if binary {
		return "<" + hex.EncodeToString(body) + ">"
	}
	text := string(body)
	for _, m := range sidText.FindAllStringSubmatch(text, -1) {
		text = strings.ReplaceAll(text, m[1], "SID")
	}
	return space.Replace(sorted(text))
}

// sorted puts the keys of the object that ends text in order.
func sorted(text string) string {
	at := strings.IndexByte(text, '{')
	var object map[string]json.RawMessage
	if at < 0 || json.Unmarshal([]byte(text[at:]), &object) != nil {
		return text
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(object)
	return text[:at] + strings.TrimSpace(b.String())
}

// request is answered with the status, the named headers of the answer and its body.
func (c *client) request(ctx context.Context, method, query, body string, headers []string, shown []string) string {
	r, err := http.NewRequestWithContext(ctx, method, c.base+"/socket.io/?"+query, strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.http.Do(r)
	switch {
	case ctx.Err() != nil:
		return "aborted"
	case err != nil && os.IsTimeout(err):
		return "no answer"
	case err != nil:
		return "connection reset"
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	if err != nil {
		return "connection reset"
	}
	if m := sidText.FindSubmatch(content); m != nil && !strings.Contains(query, "sid=") && method == "GET" {
		c.query = query + "&sid=" + string(m[1])
	}
	parts := []string{fmt.Sprint(res.StatusCode)}
	for _, name := range shown {
		parts = append(parts, name+": "+strings.Join(res.Header.Values(name), ", "))
	}
	binary := res.Header.Get("Content-Type") == "application/octet-stream"
	if len(content) > 0 {
		parts = append(parts, visible(content, binary))
	}
	return strings.Join(parts, " · ")
}

var none = context.Background()

// poll opens a polling session.
func poll(query string, shown ...string) act {
	query = strings.TrimSuffix("transport=polling&"+query, "&")
	return act{"GET " + query, func(c *client) string { return c.request(none, "GET", query, "", nil, shown) }}
}

// opened is what poll3, poll4, dial3 and dial4 see: a session of which other transcripts look at the details.
const opened = "open"

func open(a act, join string, next act) act {
	return act{a.text, func(c *client) string {
		got := a.run(c)
		if !strings.Contains(got, "SID") {
			return got
		}
		// Protocol 3: the main namespace is joined unasked, in the same answer or in the next.
		if join != "" && !strings.HasSuffix(got, join) {
			if got = next.run(c); !strings.HasSuffix(got, join) {
				return got
			}
		}
		return opened
	}}
}

func poll4(more string) act { return open(poll("EIO=4"+more), "", act{}) }
func poll3(more string) act { return open(poll("EIO=3"+more), "2:40", get()) }
func dial4(more string) act { return open(dial("EIO=4"+more), "", act{}) }
func dial3(more string) act { return open(dial("EIO=3"+more), "40", read()) }

// request sends what a session is not needed for.
func request(method, query string, headers ...string) act {
	text := strings.TrimSpace(method + " " + query)
	return act{text, func(c *client) string { return c.request(none, method, query, "", headers, nil) }}
}

// within sends a request for the session; extra is added to its query and replaces what is there.
func within(method, extra string, headers ...string) act {
	return act{strings.TrimSpace(method + " with sid " + extra), func(c *client) string {
		query := c.query
		for pair := range strings.SplitSeq(extra, "&") {
			name, _, _ := strings.Cut(pair, "=")
			query = regexp.MustCompile(`(^|&)`+name+`=[^&]*`).ReplaceAllString(query, "")
		}
		return c.request(none, method, strings.Trim(query+"&"+extra, "&"), "", headers, nil)
	}}
}

// show adds headers to what is seen of a GET of the session.
func show(shown []string, headers ...string) act {
	return act{"GET", func(c *client) string { return c.request(none, "GET", c.query, "", headers, shown) }}
}

func get() act { return show(nil) }

// post sends a payload; ␞ stands for the record separator.
func post(body string, headers ...string) act {
	text := "POST " + body
	if len(body) > 100 {
		text = fmt.Sprintf("POST %d bytes", len(body))
	}
	if len(headers) == 0 {
		headers = []string{"Content-Type", "text/plain;charset=UTF-8"}
	}
	return act{text, func(c *client) string {
		return c.request(none, "POST", c.query, strings.ReplaceAll(body, "␞", "\x1e"), headers, nil)
	}}
}

// postBytes sends an octet-stream.
func postBytes(bytes string) act {
	body, err := hex.DecodeString(strings.ReplaceAll(bytes, " ", ""))
	if err != nil {
		panic(err)
	}
	a := post(string(body), "Content-Type", "application/octet-stream")
	a.text = "POST <" + bytes + ">"
	return a
}

// hold starts a GET that is not to be answered yet.
func hold() act {
	return act{"GET, held", func(c *client) string {
		c.ctx, c.end = context.WithCancel(none)
		c.held = make(chan string, 1)
		go func(ctx context.Context, query string, held chan string) {
			held <- c.request(ctx, "GET", query, "", nil, nil)
		}(c.ctx, c.query, c.held)
		select {
		case got := <-c.held:
			return got
		case <-time.After(moment):
			return ""
		}
	}}
}

// released is the answer to the held GET.
func released() act {
	return act{"the held GET", func(c *client) string { return <-c.held }}
}

func abort() act {
	return act{"abort the held GET", func(c *client) string {
		c.end()
		<-c.held
		time.Sleep(moment) // for the server to see it
		return ""
	}}
}

// half begins a POST whose body does not come.
func half() act {
	return act{"POST, half of its body", func(c *client) string {
		nc, err := net.Dial("tcp", strings.TrimPrefix(c.base, "http://"))
		if err != nil {
			return err.Error()
		}
		c.raw = nc
		fmt.Fprintf(nc, "POST /socket.io/?%s HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n4", c.query)
		time.Sleep(moment)
		return ""
	}}
}

// halfEnd is what comes of that POST.
func halfEnd() act {
	return act{"the unfinished POST", func(c *client) string {
		_ = c.raw.SetReadDeadline(time.Now().Add(patience))
		res, err := http.ReadResponse(bufio.NewReader(c.raw), nil)
		switch {
		case err == nil:
			return fmt.Sprint(res.StatusCode)
		case timeout(err):
			return "no answer"
		}
		return "connection reset"
	}}
}

func halfDrop() act {
	return act{"drop its connection", func(c *client) string {
		c.raw.Close()
		time.Sleep(moment)
		return ""
	}}
}

func pause(d time.Duration) act {
	return act{"wait " + d.String(), func(*client) string { time.Sleep(d); return "" }}
}

func timeout(err error) bool {
	var ne net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &ne) && ne.Timeout()
}

// dial opens a WebSocket; it sees the first frame, or the refusal.
func dial(query string) act {
	query = strings.TrimSuffix("transport=websocket&"+query, "&")
	return act{"WebSocket " + query, func(c *client) string {
		if got := c.attach(query); got != "101" {
			return got
		}
		return c.ws.read(patience)
	}}
}

// upgrade opens a WebSocket for the polling session.
func upgrade() act {
	return act{"WebSocket with sid", func(c *client) string {
		return c.attach(strings.Replace(c.query, "transport=polling", "transport=websocket", 1))
	}}
}

// attach makes the new WebSocket the current one, and the current one the other.
func (c *client) attach(query string) string {
	nc, err := net.Dial("tcp", strings.TrimPrefix(c.base, "http://"))
	if err != nil {
		return err.Error()
	}
	c.ws, c.other = &socket{nc, bufio.NewReader(nc)}, c.ws
	_ = nc.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(nc, "GET /socket.io/?%s HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"+
		"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", query)
	res, err := http.ReadResponse(c.ws.r, nil)
	if err != nil {
		return "connection reset"
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(res.Body)
		return strings.TrimSpace(fmt.Sprint(res.StatusCode, " ", string(body)))
	}
	_ = nc.SetDeadline(time.Time{})
	return strings.TrimSpace("101 " + res.Header.Get("Sec-WebSocket-Extensions"))
}

// swap makes the other WebSocket the current one.
func swap() act {
	return act{"the other WebSocket", func(c *client) string { c.ws, c.other = c.other, c.ws; return "" }}
}

func (s *socket) read(wait time.Duration) string {
	_ = s.nc.SetReadDeadline(time.Now().Add(wait))
	header, err := ws.ReadHeader(s.r)
	var payload []byte
	if err == nil {
		payload = make([]byte, header.Length)
		_, err = io.ReadFull(s.r, payload)
	}
	switch {
	case timeout(err):
		return "nothing"
	case err != nil:
		return "connection closed"
	}
	switch header.OpCode {
	case ws.OpText, ws.OpBinary:
		return visible(payload, header.OpCode == ws.OpBinary)
	case ws.OpPong:
		return "pong frame " + string(payload)
	case ws.OpClose:
		if len(payload) < 2 {
			return "close frame"
		}
		code, _ := ws.ParseCloseFrameData(payload)
		return fmt.Sprint("close frame ", uint16(code))
	}
	return fmt.Sprint("op code ", header.OpCode)
}

// read sees the next frame. Servers number what they ask as they like: ID stands for it.
func read() act {
	return act{"next frame", func(c *client) string {
		got := c.ws.read(patience)
		if m := askText.FindStringSubmatch(got); m != nil {
			c.ackID = m[2]
			got = askText.ReplaceAllString(got, "${1}ID${3}")
		}
		return got
	}}
}

// reply sends text with the number of the server's latest question in the place of ID.
func reply(text string) act {
	return act{"send " + text, func(c *client) string {
		return send(strings.Replace(text, "ID", c.ackID, 1)).run(c)
	}}
}

// closed is what ended sees.
const closed = "closed"

// ended waits for the end of the connection, with or without a close frame that has no status.
func ended() act {
	return act{read().text, func(c *client) string {
		switch got := c.ws.read(patience); got {
		case "close frame", "connection closed":
			return closed
		default:
			return got
		}
	}}
}

// quiet sees that no frame comes.
func quiet() act {
	return act{"next frame", func(c *client) string { return c.ws.read(moment) }}
}

// send sends a text frame.
func send(text string) act {
	shown := text
	if len(text) > 100 {
		shown = fmt.Sprintf("%d bytes", len(text))
	}
	return frame("send "+shown, ws.NewTextFrame([]byte(text)))
}

// burst sends several text frames in one write.
func burst(texts ...string) act {
	return act{"send in one segment " + strings.Join(texts, " · "), func(c *client) string {
		var all []byte
		for _, text := range texts {
			all = append(all, ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(text))))...)
		}
		_, _ = c.ws.nc.Write(all)
		return ""
	}}
}

// sendBytes sends a binary frame.
func sendBytes(bytes string) act {
	payload, err := hex.DecodeString(bytes)
	if err != nil {
		panic(err)
	}
	return frame("send <"+bytes+">", ws.NewBinaryFrame(payload))
}

// frame sends a masked frame as it is.
func frame(text string, f ws.Frame) act {
	return raw(text, ws.MustCompileFrame(ws.MaskFrame(f)))
}

func raw(text string, bytes []byte) act {
	return act{text, func(c *client) string { _, _ = c.ws.nc.Write(bytes); return "" }}
}

func dropSocket() act {
	return act{"drop the WebSocket", func(c *client) string {
		c.ws.nc.Close()
		time.Sleep(moment)
		return ""
	}}
}
