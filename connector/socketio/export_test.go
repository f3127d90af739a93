package socketio

// Leftovers names what an idle socket holds beside its id and its rooms.
func Leftovers(s *Socket) (held []string) {
	note := func(what string, there bool) {
		if there {
			held = append(held, what)
		}
	}
	s.mu.Lock()
	note("joining", s.joining != nil)
	note("acks", s.acks != nil)
	s.mu.Unlock()
	s.lane.mu.Lock()
	note("tasks", s.lane.tasks != nil)
	note("goroutine", s.lane.running)
	s.lane.mu.Unlock()
	c := s.lane.conn
	note("timer", c.timer.Load() != nil)
	c.in.mu.Lock()
	note("waiting", c.in.events != 0 || c.in.bytes != 0 || c.in.paused)
	c.in.mu.Unlock()
	return held
}

// PendingBroadcasts is the number of broadcasts that wait for acks.
func PendingBroadcasts(ns *Namespace) int {
	ns.mu.RLock()
	defer ns.mu.RUnlock()
	return len(ns.broadcasts)
}

// ConnectAgain is what another CONNECT packet meets. For a closed socket it
// must leave the way free for a new one, also in the moment before the lane
// has noticed.
func ConnectAgain(s *Socket) (handled bool, err error) { return s.connectAgain() }
