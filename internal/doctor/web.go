package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lightpush/lightpush/internal/simulator/wire"
)

// Site is the way to a server, as its clients take it.
type Site struct {
	URL    string // of Socket.IO, http or https, without path
	Path   string // of Socket.IO, with its slashes
	API    string // base URL of REST with its prefix; "": the same as URL
	Origin string // of web pages; "": CORS is not checked
	// Namespace is joined by the checks that wait for the server's heartbeat: servers close connections that join none.
	// "": these checks are left out. Patience is how long they may take.
	Namespace string
	Patience  time.Duration
}

const (
	requestTimeout = 10 * time.Second
	maxBody        = 64 << 10 // bytes that are read of any answer
	promptly       = 2 * time.Second
	heartbeatSlack = 5 * time.Second
)

// nginxUpgrade are the three directives without which no WebSocket passes nginx.
const nginxUpgrade = `proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";`

// visitor makes the requests.
type visitor struct {
	site   Site
	client *http.Client
}

// Web checks the way to a server through whatever stands before it.
func Web(ctx context.Context, s Site) []Line {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	v := &visitor{s, &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	lines, hand := v.polling(ctx)
	var beat chan Line // both wait for the same heartbeat, at the same time
	if s.waits() && hand.SID != "" {
		beat = make(chan Line, 1)
		go func() { beat <- v.heldPoll(ctx, hand) }()
	}
	lines = append(lines, v.upgrade(ctx, hand), v.webClock(ctx))
	if beat != nil {
		lines = append(lines, <-beat)
	}
	v.leave(ctx, hand.SID)
	if s.Origin != "" {
		lines = append(lines, v.cors(ctx)...)
	}
	return lines
}

// waits says whether heartbeats are waited for.
func (s Site) waits() bool { return s.Namespace != "" && s.Patience > 0 }

// url has a device of its own for each transport: of two connections of one device the newer would win.
func (v *visitor) url(transport, sid string) string {
	q := url.Values{"EIO": {"4"}, "transport": {transport}, "uuid": {"lightpush-doctor-" + transport}}
	if sid != "" {
		q.Set("sid", sid)
	}
	return strings.TrimRight(v.site.URL, "/") + v.site.Path + "?" + q.Encode()
}

// answer is an HTTP answer, read to its end.
type answer struct {
	status int
	header http.Header
	body   string
	took   time.Duration
}

func (v *visitor) ask(ctx context.Context, method, url, body string, header http.Header, timeout time.Duration) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	start := time.Now()
	res, err := v.client.Do(req)
	if err != nil {
		return answer{}, bare(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	return answer{res.StatusCode, res.Header, string(text), time.Since(start)}, err
}

// leave ends a polling session, so that the server need not wait for its time-out. It may be gone already.
func (v *visitor) leave(ctx context.Context, sid string) {
	if sid != "" {
		_, _ = v.ask(ctx, http.MethodPost, v.url("polling", sid), "1", http.Header{"Content-Type": {"text/plain;charset=UTF-8"}}, requestTimeout)
	}
}

// bare takes the URL away, which is known.
func bare(err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		return outer.Err
	}
	return err
}

// polling opens a session, sends a packet and sees how fast its answer comes.
func (v *visitor) polling(ctx context.Context) ([]Line, wire.Handshake) {
	const name = "long-polling"
	a, err := v.ask(ctx, http.MethodGet, v.url("polling", ""), "", nil, requestTimeout)
	if err != nil {
		return []Line{judged(name, Fail, clip(err.Error()), "an answer", "host and port of --url, and a server behind them: lightpush health connector")}, wire.Handshake{}
	}
	hand, ok := wire.Handshake{}, false
	if a.status == http.StatusOK && strings.HasPrefix(a.body, "0") {
		hand, ok = wire.ParseHandshake([]byte(a.body[1:]))
	}
	switch {
	case strings.Contains(a.body, `"code":0`):
		return []Line{judged(name, Warn, "switched off on the server", "polling for old browsers and strict proxies", "transports: [polling, websocket]")}, hand
	case !ok:
		return []Line{judged(name, Fail, fmt.Sprintf("HTTP %d under %s: %s", a.status, v.site.Path, clip(a.body)), "a Socket.IO handshake",
			"--push-option-path /push/socket.io/, or in nginx: location /socket.io/ { proxy_pass http://<connectors>; }")}, hand
	}
	line := judged(name, OK, fmt.Sprintf("handshake in %v", a.took.Round(time.Millisecond)), "", "")
	return []Line{line, v.roundTrips(ctx, hand.SID)}, hand
}

// roundTrips sends CONNECT to a namespace that does not exist, a few times: every request must find the session, and the
// refusal must come at once.
func (v *visitor) roundTrips(ctx context.Context, sid string) Line {
	const name, rounds = "polling through the proxy", 4
	const sticky = "hash $arg_uuid consistent; in the nginx upstream of the connectors (polling needs one node)"
	worst := time.Duration(0)
	for range rounds {
		start := time.Now()
		a, err := v.ask(ctx, http.MethodPost, v.url("polling", sid), "40/lightpush-doctor,", http.Header{"Content-Type": {"text/plain;charset=UTF-8"}}, requestTimeout)
		if err == nil && a.status == http.StatusOK {
			a, err = v.ask(ctx, http.MethodGet, v.url("polling", sid), "", nil, requestTimeout)
		}
		switch {
		case err != nil:
			return judged(name, Fail, clip(err.Error()), "an answer at once", "proxy_buffering off; in the nginx location of the connectors")
		case strings.Contains(a.body, "Session ID unknown"), strings.Contains(a.body, `"code":1`):
			return judged(name, Fail, "another node answered: "+clip(a.body), "all requests of a session at one node", sticky)
		case a.status != http.StatusOK:
			return judged(name, Fail, fmt.Sprintf("HTTP %d %s", a.status, clip(a.body)), "200", sticky)
		}
		worst = max(worst, time.Since(start))
	}
	level := OK
	if worst > promptly {
		level = Fail
	}
	return judged(name, level, fmt.Sprintf("%d packets and answers, the slowest in %v", rounds, worst.Round(time.Millisecond)),
		fmt.Sprintf("within %v, on one node", promptly), "proxy_buffering off; in the nginx location of the connectors")
}

// heldPoll has a GET wait for the server's heartbeat: nothing on the way may end it before, or keep the answer.
func (v *visitor) heldPoll(ctx context.Context, hand wire.Handshake) Line {
	const name = "held poll"
	wait := time.Duration(hand.PingInterval)*time.Millisecond + heartbeatSlack
	if wait > v.site.Patience {
		return judged(name, Skip, fmt.Sprintf("the heartbeat comes after %d ms, longer than --patience", hand.PingInterval), "", "")
	}
	const mend = "proxy_read_timeout 120s; in the nginx location of the connectors"
	const needed = "held until the server's heartbeat"
	a, err := v.ask(ctx, http.MethodPost, v.url("polling", hand.SID), "40"+v.site.Namespace+",", http.Header{"Content-Type": {"text/plain;charset=UTF-8"}}, requestTimeout)
	for err == nil && a.status == http.StatusOK {
		if a, err = v.ask(ctx, http.MethodGet, v.url("polling", hand.SID), "", nil, wait); err != nil || a.status != http.StatusOK {
			break
		}
		for packet := range strings.SplitSeq(a.body, "\x1e") {
			switch {
			case strings.HasPrefix(packet, "44"+v.site.Namespace+","):
				return judged(name, Fail, "the namespace says: "+wire.Refusal(wire.Parse([]byte(packet)).Data), "a namespace that lets devices in", "--namespace with one there is")
			case packet == "2":
				return judged(name, OK, fmt.Sprintf("answered with the heartbeat after %v", a.took.Round(100*time.Millisecond)), "", "")
			case packet == "1":
				return judged(name, Fail, fmt.Sprintf("the server closed the session after %v", a.took.Round(100*time.Millisecond)), needed, mend)
			}
		}
	}
	if err != nil {
		return judged(name, Fail, clip(err.Error()), needed, mend)
	}
	return judged(name, Fail, fmt.Sprintf("HTTP %d after %v", a.status, a.took.Round(100*time.Millisecond)), needed, mend)
}

// upgrade opens a WebSocket, and with patience waits for its heartbeat.
func (v *visitor) upgrade(ctx context.Context, hand wire.Handshake) Line {
	const name = "WebSocket upgrade"
	wait := requestTimeout
	beat := time.Duration(hand.PingInterval)*time.Millisecond + heartbeatSlack
	stay := v.site.waits() && hand.PingInterval > 0 && beat <= v.site.Patience
	if stay {
		wait += beat
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.url("websocket", ""), nil)
	if err != nil {
		return judged(name, Fail, clip(err.Error()), "101 Switching Protocols", "--url http://host:port")
	}
	req.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"bGlnaHRwdXNoIGRvY3Rvcg=="}}
	res, err := v.client.Do(req)
	if err != nil {
		return judged(name, Fail, clip(bare(err).Error()), "101 Switching Protocols", nginxUpgrade)
	}
	defer res.Body.Close()
	stream, ok := res.Body.(io.ReadWriteCloser)
	if res.StatusCode != http.StatusSwitchingProtocols || !ok {
		body, _ := io.ReadAll(io.LimitReader(res.Body, 500)) // only to be shown
		return judged(name, Fail, fmt.Sprintf("HTTP %d: the upgrade headers did not survive the way; %s", res.StatusCode, clip(string(body))), "101 Switching Protocols", nginxUpgrade)
	}
	end := context.AfterFunc(ctx, func() { _ = stream.Close() })
	defer end()
	start := time.Now()
	if _, err := readText(stream, "0"); err != nil {
		return judged(name, Fail, "101, but no handshake follows: "+clip(err.Error()), "the Socket.IO handshake", nginxUpgrade)
	}
	if !stay {
		return judged(name, OK, fmt.Sprintf("101 and handshake in %v", time.Since(start).Round(time.Millisecond)), "", "")
	}
	frame := wire.AppendFrame(nil, wire.OpText, 1, []byte("40"+v.site.Namespace+","))
	if _, err = stream.Write(frame); err == nil {
		_, err = readText(stream, "2")
	}
	if err != nil {
		return judged(name, Fail, fmt.Sprintf("cut off after %v of silence: %s", time.Since(start).Round(100*time.Millisecond), clip(err.Error())),
			fmt.Sprintf("open until the heartbeat after %d ms", hand.PingInterval), "proxy_read_timeout 120s; in the nginx location of the connectors")
	}
	return judged(name, OK, fmt.Sprintf("open, with its heartbeat after %v", time.Since(start).Round(100*time.Millisecond)), "", "")
}

var errFrames = errors.New("too much before what was awaited")

// readText reads frames until a text begins with prefix.
func readText(r io.Reader, prefix string) (string, error) {
	var in []byte
	buf := make([]byte, 4096)
	for len(in) < maxBody {
		for {
			opcode, payload, n, err := wire.NextFrame(in)
			if err != nil {
				return "", err
			}
			if n == 0 {
				break
			}
			in = in[n:]
			if opcode == wire.OpClose {
				return "", io.EOF
			}
			if opcode == wire.OpText && strings.HasPrefix(string(payload), prefix) {
				return string(payload), nil
			}
		}
		n, err := r.Read(buf)
		in = append(in, buf[:n]...)
		if err != nil && n == 0 {
			return "", err
		}
	}
	return "", errFrames
}

// webClock compares with the Date of an answer, which counts whole seconds.
func (v *visitor) webClock(ctx context.Context) Line {
	const name = "clock against HTTP Date"
	before := time.Now()
	a, err := v.ask(ctx, http.MethodGet, v.url("none", ""), "", nil, requestTimeout)
	if err != nil {
		return judged(name, Skip, clip(err.Error()), "", "")
	}
	at, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		return judged(name, Skip, "the answer has no Date", "", "")
	}
	return clockLine(name, at.Add(time.Second/2).Sub(before.Add(a.took/2)), time.Second/2+a.took/2)
}
