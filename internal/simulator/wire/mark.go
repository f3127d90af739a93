package wire

import (
	"bytes"
	"strconv"
)

// Mark is what the simulator writes into pushData to know a message again.
type Mark struct {
	Stream int32 // who sent it where
	Seq    int32 // the n-th message of its stream, from 1
	Sent   int64 // when it was meant to be sent, nanoseconds since 1970
}

// AppendMark appends the JSON member that carries a mark of run, which must be letters and digits.
func AppendMark(dst []byte, run string, m Mark) []byte {
	dst = append(append(append(dst, `"lpsim":"`...), run...), '.')
	dst = append(strconv.AppendInt(dst, int64(m.Stream), 10), '.')
	dst = append(strconv.AppendInt(dst, int64(m.Seq), 10), '.')
	return append(strconv.AppendInt(dst, m.Sent, 10), '"')
}

// FindMark reads the mark of run in an event; false when there is none.
func FindMark(data []byte, run string) (m Mark, ok bool) {
	const name = `"lpsim":"`
	i := bytes.Index(data, []byte(name))
	if i < 0 {
		return m, false
	}
	p := data[i+len(name):]
	if len(p) <= len(run) || string(p[:len(run)]) != run || p[len(run)] != '.' {
		return m, false
	}
	p = p[len(run)+1:]
	stream, p, ok1 := number(p, '.')
	seq, p, ok2 := number(p, '.')
	sent, _, ok3 := number(p, '"')
	if !ok1 || !ok2 || !ok3 || stream > 1<<31-1 || seq > 1<<31-1 || seq < 1 {
		return m, false
	}
	return Mark{Stream: int32(stream), Seq: int32(seq), Sent: sent}, true
}

// number reads decimal digits that end with end.
func number(p []byte, end byte) (v int64, rest []byte, ok bool) {
	for i, c := range p {
		switch {
		case c == end && i > 0:
			return v, p[i+1:], true
		case c < '0' || c > '9' || i >= 19 || v > (1<<63-1-9)/10:
			return 0, nil, false
		}
		v = v*10 + int64(c-'0')
	}
	return 0, nil, false
}
