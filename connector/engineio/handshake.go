package engineio

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// ServeHTTP answers every request of the protocol. The path is not looked at; the caller mounts the handler.
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := srv.newCall(w, r)
	if c.cors() {
		return
	}
	s, refused := c.check()
	switch {
	case refused != nil:
		c.refuse(*refused)
	case s == nil:
		c.handshake()
	case c.upgrade:
		c.upgradeSession(s)
	case r.Method == http.MethodGet:
		c.get(s)
	case r.Method == http.MethodPost:
		c.post(s)
	default: // the session is unharmed (section 2.2)
		w.Header().Set("Allow", "GET, POST")
		c.status(http.StatusMethodNotAllowed)
	}
}

// check applies section 2.2 in its order. It returns the session of the request, or nil for a handshake.
func (c *call) check() (*Session, *refusal) {
	o := &c.srv.options
	switch {
	case c.transport != transportPolling && c.transport != transportWebSocket,
		c.transport == transportPolling && o.DisablePolling,
		c.transport == transportWebSocket && o.DisableWebSocket:
		return nil, &refuseTransport
	case hasControlCharacters(c.r.Header.Get("Origin")):
		return nil, &refuseRequest
	case c.sid != "":
		return c.checkSession()
	default:
		return nil, c.checkHandshake()
	}
}

func (c *call) checkSession() (*Session, *refusal) {
	s := c.srv.session(c.sid)
	switch {
	case s == nil:
		return nil, &refuseSession
	case !c.upgrade && c.transport != s.Transport():
		return nil, &refuseRequest
	case c.protocol != s.protocol:
		return nil, &refuseRequest
	case c.foreign:
		return nil, &refuseOrigin
	case c.upgrade && (c.transport != transportWebSocket || c.srv.options.DisableUpgrade):
		return nil, &refuseRequest
	case !c.upgrade && c.transport == transportWebSocket:
		return nil, &refuseRequest
	}
	return s, nil
}

func (c *call) checkHandshake() *refusal {
	o := &c.srv.options
	switch {
	case c.r.Method != http.MethodGet:
		return &refuseMethod
	case c.upgrade != (c.transport == transportWebSocket):
		return &refuseRequest
	case c.foreign:
		return &refuseOrigin
	}
	if o.AllowRequest != nil {
		if err := o.AllowRequest(c.r); err != nil {
			refused := refuseOrigin
			if err.Error() != "" {
				refused.message = err.Error()
			}
			return &refused
		}
	}
	if o.DenyEIO3 && c.protocol == V3 {
		return &refuseProtocol
	}
	return nil
}

// hasControlCharacters follows the rule of RFC 9110 section 5.5: a tab is allowed.
func hasControlCharacters(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return true
		}
	}
	return false
}

// refuse answers with an error: JSON on a plain request, the bare message on a WebSocket request.
func (c *call) refuse(refused refusal) {
	c.srv.observer.RequestRefused(refused.code)
	h := c.w.Header()
	if c.upgrade {
		h.Set("Connection", "close")
		h.Set("Content-Type", "text/html")
		c.w.WriteHeader(http.StatusBadRequest)
		_, _ = c.w.Write([]byte(refused.message))
		return
	}
	status := http.StatusBadRequest
	if refused.code == CodeForbidden {
		status = http.StatusForbidden
	}
	body, _ := json.Marshal(struct {
		Code    Code   `json:"code"`
		Message string `json:"message"`
	}{refused.code, refused.message}) // cannot fail
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body)
}

// status answers with a status and no body.
func (c *call) status(code int) {
	c.w.Header().Set("Cache-Control", "no-store")
	c.w.Header().Set("Content-Length", "0")
	c.w.WriteHeader(code)
}

// unavailable answers a handshake that could not be completed through no fault of the client.
func (c *call) unavailable(err error) {
	status := http.StatusInternalServerError
	if errors.Is(err, errShuttingDown) {
		status = http.StatusServiceUnavailable
		c.w.Header().Set("Retry-After", "1")
	}
	c.w.Header().Set("Connection", "close")
	c.status(status)
}

// handshake opens a session on the transport of the request.
func (c *call) handshake() {
	if c.srv.isClosing() {
		c.unavailable(errShuttingDown)
		return
	}
	if c.upgrade {
		c.handshakeWebSocket()
		return
	}
	c.handshakePolling()
}

// initSession fills in a session that nobody knows yet; socket is nil on polling.
func (c *call) initSession(s *Session, socket *webSocket) {
	s.srv, s.protocol, s.order, s.request = c.srv, c.protocol, c.srv.orders.Add(1), c.kept()
	s.socket = socket
	s.near.Store(socket)
	if socket == nil {
		s.jsonp = newJSONP(c.r.URL.RawQuery)
		s.b64 = s.jsonp != nil || c.param("b64") != ""
	}
}

// open registers the session with the open packet in its queue, and runs OnOpen. The receiver lock is held all the
// time, so that OnClose cannot overtake OnOpen.
func (c *call) open(s *Session) error {
	s.in.Lock()
	defer s.in.Unlock()
	if err := c.srv.register(s); err != nil {
		return err
	}
	opened := newText(typeOpen, c.openPacket(s.id))
	s.mu.Lock()
	s.queue = append(s.queue, opened)
	s.queued += opened.Len()
	s.mu.Unlock()
	s.runOnOpen()
	return nil
}

// openPacket is the JSON of the open packet (section 2.3). Java and python need upgrades even when it is empty.
func (c *call) openPacket(id string) []byte {
	o := &c.srv.options
	b := append(make([]byte, 0, 128), `{"sid":`...)
	b = strconv.AppendQuote(b, id)
	b = append(b, `,"upgrades":[`...)
	if c.transport == transportPolling && !o.DisableUpgrade && !o.DisableWebSocket {
		b = append(b, `"websocket"`...)
	}
	b = append(b, `],"pingInterval":`...)
	b = strconv.AppendInt(b, int64(o.PingInterval/time.Millisecond), 10)
	b = append(b, `,"pingTimeout":`...)
	b = strconv.AppendInt(b, int64(o.PingTimeout/time.Millisecond), 10)
	if c.protocol == V4 {
		b = append(b, `,"maxPayload":`...)
		b = strconv.AppendInt(b, int64(o.MaxPayload), 10)
	}
	return append(b, '}')
}
