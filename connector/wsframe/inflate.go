package wsframe

import (
	"bytes"
	"compress/flate"
	"io"
	"sync"
)

// RSV1 is the bit of the first header byte that marks a message compressed by permessage-deflate (RFC 7692 section 6).
const RSV1 = 0x40

// rsv1 is the same bit in ws.Header.Rsv.
const rsv1 = 0x4

// AllowDeflate makes the decoder accept messages compressed by permessage-deflate without context takeover. It is
// called before the first Feed. A compressed message is inflated before emit sees it, to no more than the limit.
func (d *Decoder) AllowDeflate() { d.deflate = true }

// inflater decompresses one message at a time.
type inflater struct {
	in     bytes.Reader
	tail   bytes.Reader
	stream io.ReadCloser
	out    []byte
}

var inflaters = sync.Pool{New: func() any {
	z := new(inflater)
	z.stream = flate.NewReader(&z.in)
	return z
}}

// deflateTail ends what the sender has cut off (RFC 7692 section 7.2.2), and then the stream, with an empty final block.
var deflateTail = []byte{0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff}

// inflaterKeep is the output in bytes for which an inflater keeps its memory.
const inflaterKeep = 64 << 10

func (z *inflater) release() {
	if cap(z.out) > inflaterKeep {
		z.out = nil
	}
	z.in.Reset(nil)
	inflaters.Put(z)
}

// inflate returns the content of a message; it is valid until release. The output grows with what comes out, up to
// limit, whatever the input promises.
func (z *inflater) inflate(p []byte, limit int) ([]byte, error) {
	z.in.Reset(p)
	z.tail.Reset(deflateTail)
	if err := z.stream.(flate.Resetter).Reset(io.MultiReader(&z.in, &z.tail), nil); err != nil {
		return nil, ErrBadDeflate
	}
	z.out = z.out[:0]
	for {
		if len(z.out) == cap(z.out) {
			z.out = append(z.out, 0)[:len(z.out)]
		}
		n, err := z.stream.Read(z.out[len(z.out):cap(z.out)])
		z.out = z.out[:len(z.out)+n]
		switch {
		case len(z.out) > limit:
			return nil, ErrTooBig
		case err == io.EOF:
			return z.out, nil
		case err != nil:
			return nil, ErrBadDeflate
		}
	}
}
