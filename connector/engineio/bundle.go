package engineio

// Bundle is messages that are sent together, to many sessions. It is immutable, like its messages.
type Bundle struct {
	msgs   []*Message
	size   int       // what they are counted with
	joined [1][]byte // the frames in one buffer, for the transports with the plain form; nil: there is none
}

// joinLimit bounds the bytes that are copied for Bundle.joined: for longer frames one buffer saves nothing.
const joinLimit = 16 << 10

// NewBundle makes a bundle of at least one message.
func NewBundle(msgs ...*Message) *Bundle {
	b := &Bundle{msgs: msgs}
	text := true
	for _, m := range msgs {
		b.size += m.Len()
		text = text && !m.binary // binary messages have several forms
	}
	switch {
	case !text:
	case len(msgs) == 1:
		b.joined[0] = msgs[0].slots[0]
	case b.size <= joinLimit:
		all := make([]byte, 0, b.size)
		for _, m := range msgs {
			all = append(all, m.slots[0]...)
		}
		b.joined[0] = all
	}
	return b
}

// Messages of the bundle; not to be modified.
func (b *Bundle) Messages() []*Message { return b.msgs }

// Len is the number of bytes the bundle is counted with against Options.SendBuffer.
func (b *Bundle) Len() int { return b.size }

// SendBundle is Send for a bundle, or SendDeferred unless batch is nil: on a WebSocket all of it is one buffer, and so
// a plain write, which costs less than one of several buffers.
func (s *Session) SendBundle(batch *Batch, b *Bundle) error {
	s.mu.Lock()
	var err error
	if s.socket != nil && s.state == stateOpen && !s.ending && b.joined[0] != nil && !s.socket.form.deflate {
		err = s.writeFramesLocked(batch, b.joined[:], len(b.msgs), b.size)
	} else {
		err = s.sendLocked(batch, b.msgs)
	}
	s.mu.Unlock()
	if batch != nil && batch.writes.Full() {
		batch.Flush()
	}
	return err
}
