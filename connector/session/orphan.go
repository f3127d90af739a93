package session

import "time"

// orphanWait is how long a connection that has lost its client id waits to be
// told by whom: the kick of a newer connection comes far sooner.
const orphanWait = 5 * time.Second

// orphaned deals with a connection that has lost its client id. Mostly a newer
// connection has it, and its kick is on the way. But a claim may have come to
// nothing: its node died, or gave up waiting for a store that executed it all
// the same, perhaps behind a later claim. Then nobody else is connected, and
// this connection can join nothing any more. Its transport is closed, so that
// the client's library comes back and claims anew.
func (d *device) orphaned() {
	if !d.orphan.CompareAndSwap(false, true) {
		return
	}
	h := d.hub
	h.background.Go(func() {
		wait := time.NewTimer(h.orphanWait)
		defer wait.Stop()
		select {
		case <-h.closing.Done():
		case <-wait.C:
			if !d.superseded.Load() {
				d.socket.Disconnect(true)
			}
		}
	})
}
