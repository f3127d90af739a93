package engineio

import "time"

// alarm is a Session as the timing wheel sees it: its one timer runs onAlarm, which may come late or once too often
// and looks at Session.due.
type alarm Session

// Expire implements wheel.Expirer.
func (a *alarm) Expire() { (*Session)(a).onAlarm() }

// beat is what the alarm of a session stands for.
type beat uint8

const (
	beatNone    beat = iota
	beatPing         // protocol 4: the time to send the next ping
	beatPong         // protocol 4: the pong is overdue
	beatSilence      // protocol 3: nothing was heard for pingInterval + pingTimeout
	beatLinger       // closed on polling: nobody fetches the close packet
)

func (s *Session) armLocked(b beat, d time.Duration) {
	s.beat = b
	s.due = s.srv.now() + d
	s.srv.wheel.Reset(&s.timer, d, (*alarm)(s))
}

func (s *Session) disarmLocked() {
	s.beat = beatNone
	s.srv.wheel.Stop(&s.timer)
}

// startHeartbeatLocked arms the first beat of an open session (section 2.9). The beat belongs to the session, not
// to a transport, so an upgrade does not touch it (quirk Q5 is not copied).
func (s *Session) startHeartbeatLocked() {
	if s.protocol == V4 {
		s.armLocked(beatPing, s.srv.options.PingInterval)
	} else {
		s.armLocked(beatSilence, s.silenceLimit())
	}
}

func (s *Session) silenceLimit() time.Duration {
	return s.srv.options.PingInterval + s.srv.options.PingTimeout
}

// heardLocked notes a packet. In protocol 3 every packet counts as life (Q3 is not copied); the alarm is not reset
// for it, onAlarm finds the later due. In protocol 4 only a pong counts, solicited or not.
func (s *Session) heardLocked(typ byte) {
	switch {
	case s.protocol == V3:
		s.due = s.srv.now() + s.silenceLimit()
	case typ == typePong:
		s.armLocked(beatPing, s.srv.options.PingInterval)
	}
}

func (s *Session) onAlarm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if early := s.due - s.srv.now(); early > 0 && s.beat != beatNone {
		s.srv.wheel.Reset(&s.timer, early, (*alarm)(s))
		return
	}
	switch s.beat {
	case beatPing:
		s.armLocked(beatPong, s.srv.options.PingTimeout)
		_ = s.sendLocked(nil, pingPackets) // an overflow has closed the session
	case beatPong, beatSilence:
		if s.paused != nil {
			// The client cannot be heard because we do not listen.
			s.armLocked(s.beat, s.srv.options.PingTimeout)
			return
		}
		s.failLocked(ReasonPingTimeout, closePacket, 0)
	case beatLinger:
		s.failLocked(s.reason, noopPacket, 0)
	}
}
