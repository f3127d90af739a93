package wsframe

import (
	"errors"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Decoder turns the bytes of one client into messages and control frames. The zero value is not usable; see New.
// It is used by one goroutine at a time.
type Decoder struct {
	part    *partial // nil while nothing is incomplete
	limit   int      // bytes of one message, all its fragments together; also when inflated
	deflate bool     // messages may be compressed
}

// New returns a decoder that refuses messages of more than limit bytes.
func New(limit int) Decoder { return Decoder{limit: limit} }

// errClosed is the sticky state after a close frame; it is not reported.
var errClosed = &Error{Text: "close frame received"}

// partial is what a decoder keeps while a header, a frame or a message is incomplete, and when the stream has ended.
type partial struct {
	err error // sticky; everything else is zero then

	head    [ws.MaxHeaderSize]byte // an incomplete header
	headLen int

	inFrame bool // header is complete, got < header.Length
	header  ws.Header
	got     int

	control []byte // payload of an incomplete control frame

	inMessage bool // a data frame without fin was received, or the first frame of a message is incomplete
	op        ws.OpCode
	packed    bool   // the message is compressed
	message   []byte // unmasked bytes of the message, grows with what was received
}

// Idle reports that nothing is incomplete and no buffer is held.
func (d *Decoder) Idle() bool { return d.part == nil || d.part.err != nil }

// Feed decodes the next bytes of the stream. It calls emit for every complete message (ws.OpText, ws.OpBinary;
// fragments joined, text validated) and every control frame (ws.OpPing, ws.OpPong, ws.OpClose), in order.
//
// Feed unmasks in place, so p is modified; payload is valid only during the call of emit. After a close frame the
// rest of the stream is discarded. An error of the protocol is an *Error; an error of emit is returned as it is.
// Both end the stream: later calls return the same error.
func (d *Decoder) Feed(p []byte, emit func(op ws.OpCode, payload []byte) error) error {
	for len(p) > 0 && d.ended() == nil {
		rest, err := d.step(p, emit)
		if err != nil {
			d.part = &partial{err: err}
		}
		p = rest
	}
	if err := d.ended(); !errors.Is(err, errClosed) {
		return err
	}
	return nil
}

func (d *Decoder) ended() error {
	if d.part == nil {
		return nil
	}
	return d.part.err
}

// step consumes one header, one frame, or what there is of them.
func (d *Decoder) step(p []byte, emit func(op ws.OpCode, payload []byte) error) ([]byte, error) {
	if d.part != nil && d.part.inFrame {
		return d.continueFrame(p, emit)
	}
	h, rest, ok, err := d.readHeader(p)
	if err != nil || !ok {
		return rest, err
	}
	if err := d.judge(h); err != nil {
		return rest, err
	}
	if h.Length > int64(len(rest)) {
		d.beginFrame(h)
		return rest, nil
	}
	payload := rest[:h.Length]
	ws.Cipher(payload, h.Mask, 0)
	return rest[h.Length:], d.wholeFrame(h, payload, emit)
}

// readHeader returns the next header; ok is false when p ended inside it and its bytes were kept.
func (d *Decoder) readHeader(p []byte) (h ws.Header, rest []byte, ok bool, err error) {
	if d.part == nil || d.part.headLen == 0 {
		h, n, err := parseHeader(p)
		if err != nil || n > 0 {
			return h, p[n:], true, err
		}
	}
	part := d.needPart()
	before := part.headLen
	joined := before + copy(part.head[before:], p)
	h, n, err := parseHeader(part.head[:joined])
	if err == nil && n == 0 {
		part.headLen = joined
		return h, nil, false, nil
	}
	part.headLen = 0
	return h, p[n-before:], true, err
}

// judge decides whether the header is legal here (RFC 6455 sections 5.1 to 5.5), and whether its frame fits.
func (d *Decoder) judge(h ws.Header) error {
	state := ws.StateServerSide
	received := 0
	if d.part != nil && d.part.inMessage {
		state = state.Set(ws.StateFragmented)
		received = len(d.part.message)
	}
	if d.deflate && (h.OpCode == ws.OpText || h.OpCode == ws.OpBinary) {
		h.Rsv &^= rsv1 // only there: neither in control frames nor in later fragments (RFC 7692 section 6.1)
	}
	if err := judged(ws.CheckHeader(h, state)); err != nil {
		return err
	}
	if h.OpCode.IsData() && h.Length > int64(d.limit-received) {
		return ErrTooBig
	}
	return nil
}

func (d *Decoder) beginFrame(h ws.Header) {
	part := d.needPart()
	part.inFrame, part.header, part.got = true, h, 0
	if h.OpCode == ws.OpText || h.OpCode == ws.OpBinary {
		part.begin(h)
	}
}

func (part *partial) begin(h ws.Header) {
	part.inMessage, part.op, part.packed = true, h.OpCode, h.Rsv&rsv1 != 0
}

// continueFrame adds the next bytes to the frame that is incomplete.
func (d *Decoder) continueFrame(p []byte, emit func(op ws.OpCode, payload []byte) error) ([]byte, error) {
	part := d.part
	h := part.header
	buf := &part.message
	if h.OpCode.IsControl() {
		buf = &part.control
	}
	n := min(len(p), int(h.Length)-part.got)
	start := len(*buf)
	*buf = append(*buf, p[:n]...)
	ws.Cipher((*buf)[start:], h.Mask, part.got)
	part.got += n
	if int64(part.got) < h.Length {
		return nil, nil
	}
	part.inFrame = false
	if h.OpCode.IsControl() {
		control := part.control
		part.control = nil
		return p[n:], d.wholeFrame(h, control, emit)
	}
	if !h.Fin {
		return p[n:], nil
	}
	return p[n:], d.endMessage(emit)
}

// wholeFrame handles a complete, unmasked frame.
func (d *Decoder) wholeFrame(h ws.Header, payload []byte, emit func(op ws.OpCode, payload []byte) error) error {
	if h.OpCode.IsControl() {
		d.dropIdlePart()
		return emitControl(h.OpCode, payload, emit)
	}
	if h.Fin && h.OpCode != ws.OpContinuation {
		d.dropIdlePart()
		return d.emitMessage(h.OpCode, h.Rsv&rsv1 != 0, payload, emit)
	}
	part := d.needPart()
	if h.OpCode != ws.OpContinuation {
		part.begin(h)
	}
	part.message = append(part.message, payload...)
	if !h.Fin {
		return nil
	}
	return d.endMessage(emit)
}

func (d *Decoder) endMessage(emit func(op ws.OpCode, payload []byte) error) error {
	op, packed, message := d.part.op, d.part.packed, d.part.message
	d.part.inMessage, d.part.message = false, nil
	d.dropIdlePart()
	return d.emitMessage(op, packed, message, emit)
}

func (d *Decoder) needPart() *partial {
	if d.part == nil {
		d.part = new(partial)
	}
	return d.part
}

func (d *Decoder) dropIdlePart() {
	if d.part != nil && !d.part.inFrame && !d.part.inMessage && d.part.headLen == 0 {
		d.part = nil
	}
}

func (d *Decoder) emitMessage(op ws.OpCode, packed bool, payload []byte, emit func(op ws.OpCode, payload []byte) error) error {
	if packed {
		z := inflaters.Get().(*inflater)
		defer z.release()
		var err error
		if payload, err = z.inflate(payload, d.limit); err != nil {
			return err
		}
	}
	if op == ws.OpText && !utf8.Valid(payload) {
		return ErrInvalidUTF8
	}
	return emit(op, payload)
}

func emitControl(op ws.OpCode, payload []byte, emit func(op ws.OpCode, payload []byte) error) error {
	if op != ws.OpClose {
		return emit(op, payload)
	}
	if len(payload) > 0 {
		code, reason := ws.ParseCloseFrameData(payload)
		if len(payload) == 1 || ws.CheckCloseFrameData(code, reason) != nil {
			return ErrClosePayload
		}
	}
	if err := emit(op, payload); err != nil {
		return err
	}
	return errClosed
}
