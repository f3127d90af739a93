package engineio

import (
	"net/http"

	"github.com/lightpush/lightpush/connector/internal/wheel"
)

// upgrade is a WebSocket on its way to become the transport of a polling session (section 2.10). Polling stays the
// transport until the client sends 5; until then nothing but the answer to the probe is sent on the WebSocket.
type upgrade struct {
	socket *webSocket
	probed bool // 2probe has come: GETs are released within releaseInterval
	timer  wheel.Timer
}

// Expire implements wheel.Expirer: the upgrade has taken too long.
func (u *upgrade) Expire() { u.socket.session.expireUpgrade(u) }

// upgradeSession accepts a WebSocket for an existing session. When an upgrade is running or done already it is
// closed again, which clients expect behind a 101.
func (c *call) upgradeSession(s *Session) {
	key, ok := c.checkKey()
	if !ok {
		return
	}
	socket := new(webSocket)
	extension := c.initSocket(socket)
	if !c.takeOver(socket, s) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = socket.conn.Write(switchingProtocols(key, extension))
	if s.state != stateOpen || s.socket != nil || s.upgrade != nil || socket.gone {
		socket.shutdown(0)
		return
	}
	s.upgrade = &upgrade{socket: socket}
	c.srv.wheel.Reset(&s.upgrade.timer, c.srv.options.UpgradeTimeout, s.upgrade)
	socket.conn.Resume()
}

func (s *Session) expireUpgrade(u *upgrade) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.upgrade == u {
		s.dropUpgradeLocked()
	}
}

// dropUpgradeLocked closes the candidate; the session goes on with polling and may try again.
func (s *Session) dropUpgradeLocked() {
	if s.upgrade == nil {
		return
	}
	s.srv.wheel.Stop(&s.upgrade.timer)
	s.upgrade.socket.shutdown(0)
	s.upgrade = nil
}

// probeLocked handles a packet on the candidate. A repeated probe and a 5 without probe are accepted; anything else
// closes the candidate only.
func (s *Session) probeLocked(p packet, err error) error {
	socket := s.upgrade.socket
	switch {
	case err == nil && p.typ == typePing && string(p.data) == "probe":
		_ = socket.conn.Write(probePacket.frames(s.protocol, wireForm{})...)
		s.upgrade.probed = true
		s.releaseGETLocked(noopPacket)
		return nil
	case err == nil && p.typ == typeUpgrade:
		s.completeUpgradeLocked()
		return nil
	default:
		s.dropUpgradeLocked()
		return errStop
	}
}

// completeUpgradeLocked makes the candidate the transport. What is queued leaves first, in order; a GET that is still
// held is answered.
func (s *Session) completeUpgradeLocked() {
	s.srv.wheel.Stop(&s.upgrade.timer)
	s.srv.upgrading(s)
	s.socket, s.upgrade = s.upgrade.socket, nil
	s.near.Store(s.socket)
	s.releaseGETLocked(noopPacket)
	if s.paused != nil {
		s.socket.conn.Pause()
	}
	queue := s.queue
	s.queue, s.queued = nil, 0
	if len(queue) > 0 {
		_ = s.writeSocketLocked(nil, queue)
	}
	s.srv.observer.SessionUpgraded(s)
}

// checkKey validates the WebSocket part of the request (RFC 6455 section 4.2.1). It answers itself when something is
// wrong.
func (c *call) checkKey() (key string, ok bool) {
	key = c.r.Header.Get("Sec-WebSocket-Key")
	switch {
	case c.r.Header.Get("Sec-WebSocket-Version") != "13":
		c.w.Header().Set("Sec-WebSocket-Version", "13")
		c.w.Header().Set("Connection", "close")
		c.status(http.StatusUpgradeRequired)
		return "", false
	case !validKey(key):
		c.refuse(refuseRequest)
		return "", false
	}
	return key, true
}
