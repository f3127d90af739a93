package engineio

import (
	"bytes"
	"compress/flate"
	"io"
	"sync"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"

	"github.com/lightpush/lightpush/connector/wsframe"
)

// deflateFrom is the size in bytes from which a frame is compressed (section 2.8).
const deflateFrom = 1024

// maxOffers bounds the extensions of a request that are looked at.
const maxOffers = 8

// acceptDeflate chooses the first offer of permessage-deflate that can be kept (RFC 7692 section 7.1), and returns the
// answer's header value, or "" when there is none. Neither side keeps a context from message to message, which a server
// may demand of the client without an offer of it. Our window is always 32 KiB.
func acceptDeflate(lines []string) string {
	for _, line := range lines {
		offers, ok := httphead.ParseOptions([]byte(line), nil)
		if !ok {
			continue
		}
		for _, offer := range offers[:min(len(offers), maxOffers)] {
			var wanted wsflate.Parameters
			if string(offer.Name) != wsflate.ExtensionName || wanted.Parse(offer) != nil {
				continue
			}
			const answer = wsflate.ExtensionName + "; server_no_context_takeover; client_no_context_takeover"
			switch wanted.ServerMaxWindowBits {
			case 0:
				return answer
			case 15:
				return answer + "; server_max_window_bits=15"
			}
		}
	}
	return ""
}

// deflatedForms are the compressed frames of a message: the content is the same in both protocols for text, and has a
// type byte in protocol 3 for binary.
type deflatedForms struct{ common, v3 deflatedFrame }

type deflatedFrame struct {
	once  sync.Once
	frame [1][]byte // nil: compression does not help
}

// deflate returns the compressed frame, made once for all sessions, or nil when it would be no shorter.
func (m *Message) deflate(v Protocol) [][]byte {
	forms := m.deflated.Load()
	if forms == nil {
		m.deflated.CompareAndSwap(nil, new(deflatedForms))
		forms = m.deflated.Load()
	}
	form, op, head, body := &forms.common, ws.OpText, []byte(nil), m.buf[m.body:]
	if m.binary {
		op = ws.OpBinary
		if v == V3 {
			form, head = &forms.v3, []byte{typeMessage - '0'}
		}
	}
	form.once.Do(func() { form.frame[0] = deflateFrame(op, head, body) })
	if form.frame[0] == nil {
		return nil
	}
	return form.frame[:]
}

var deflaters = sync.Pool{New: func() any {
	w, err := flate.NewWriter(io.Discard, flate.DefaultCompression)
	if err != nil {
		panic(err) // the level is valid
	}
	return w
}}

// deflateFrame compresses a message that consists of two parts into one frame.
func deflateFrame(op ws.OpCode, head, body []byte) []byte {
	var out bytes.Buffer
	w := deflaters.Get().(*flate.Writer)
	w.Reset(&out)
	_, _ = w.Write(head) // a bytes.Buffer does not fail
	_, _ = w.Write(body)
	_ = w.Flush()
	w.Reset(io.Discard)
	deflaters.Put(w)
	compressed := bytes.TrimSuffix(out.Bytes(), []byte{0, 0, 0xff, 0xff}) // RFC 7692 section 7.2.1
	if len(compressed) >= len(head)+len(body) {
		return nil
	}
	frame := wsframe.AppendHeader(make([]byte, 0, wsframe.MaxServerHeader+len(compressed)), op, len(compressed))
	frame[0] |= wsframe.RSV1
	return append(frame, compressed...)
}
