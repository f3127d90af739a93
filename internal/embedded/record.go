package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// The log is a header and records. One record is the effects of one command, script or transaction: it is replayed
// whole or not at all. Integers are little-endian, v is an unsigned varint.
//
//	header  "lightpush-log 1\n"
//	record  mark[4] length[4] crc32c[4] payload[length]     the checksum covers length and payload
//	payload time[8]  v:commands  { v:arguments { v:length bytes } }
//
// time is the wall clock in ms at execution. The mark finds the next record when one is damaged.
const (
	logHeader     = "lightpush-log 1\n"
	frameSize     = 12
	maxRecordSize = 1 << 30
)

var (
	recordMark = []byte{0xf5, 'L', 'P', 'R'}
	castagnoli = crc32.MakeTable(crc32.Castagnoli)

	// errBadRecord says that the bytes at an offset are no complete, valid record.
	errBadRecord = errors.New("bad record")
)

// recordWriter builds one record in a reused buffer. The zero value is ready.
type recordWriter struct {
	buf  []byte // encoded commands, without frame and payload head
	n    int
	time int64
}

func (w *recordWriter) reset(now int64) {
	if cap(w.buf) > 1<<20 {
		w.buf = nil // one large command must not pin its memory
	}
	w.buf, w.n, w.time = w.buf[:0], 0, now
}

// add appends one command with its arguments.
func (w *recordWriter) add(args ...string) {
	w.n++
	w.buf = binary.AppendUvarint(w.buf, uint64(len(args)))
	for _, a := range args {
		w.buf = binary.AppendUvarint(w.buf, uint64(len(a)))
		w.buf = append(w.buf, a...)
	}
}

// appendTo appends the framed record to dst.
func (w *recordWriter) appendTo(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, recordMark...)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(w.time))
	dst = binary.AppendUvarint(dst, uint64(w.n))
	dst = append(dst, w.buf...)
	rec := dst[start:]
	binary.LittleEndian.PutUint32(rec[4:], uint32(len(rec)-frameSize))
	binary.LittleEndian.PutUint32(rec[8:], recordSum(rec[4:8], rec[frameSize:]))
	return dst
}

func recordSum(length, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(length, castagnoli), castagnoli, payload)
}

// record is one decoded record.
type record struct {
	time     int64
	commands [][]string
}

// readRecord reads the record at off. It returns the number of bytes it occupies, or errBadRecord (wrapped) when the
// bytes there are no valid record; other errors are read errors. size is the readable length of r. buf is scratch space
// that may be grown. No length is trusted before it is compared with what is left to read.
func readRecord(r io.ReaderAt, off, size int64, buf *[]byte) (record, int64, error) {
	left := size - off
	if left < frameSize {
		return record{}, 0, fmt.Errorf("%w: %d bytes are less than a frame", errBadRecord, left)
	}
	var frame [frameSize]byte
	if err := readFull(r, frame[:], off); err != nil {
		return record{}, 0, err
	}
	if !bytes.Equal(frame[:4], recordMark) {
		return record{}, 0, fmt.Errorf("%w: no record mark", errBadRecord)
	}
	length := int64(binary.LittleEndian.Uint32(frame[4:]))
	if length > maxRecordSize || length > left-frameSize {
		return record{}, 0, fmt.Errorf("%w: length %d exceeds the %d bytes left", errBadRecord, length, left-frameSize)
	}
	if int64(cap(*buf)) < length {
		*buf = make([]byte, length)
	}
	payload := (*buf)[:length]
	if err := readFull(r, payload, off+frameSize); err != nil {
		return record{}, 0, err
	}
	if recordSum(frame[4:8], payload) != binary.LittleEndian.Uint32(frame[8:]) {
		return record{}, 0, fmt.Errorf("%w: checksum differs", errBadRecord)
	}
	rec, err := decodePayload(payload)
	return rec, frameSize + length, err
}

func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	return err
}

// decodePayload turns a payload into commands; the strings are copies. Every count is bounded by the bytes left, since
// each command and each argument takes at least one.
func decodePayload(p []byte) (record, error) {
	if len(p) < 8 {
		return record{}, fmt.Errorf("%w: payload without time", errBadRecord)
	}
	rec := record{time: int64(binary.LittleEndian.Uint64(p))}
	p = p[8:]
	commands, p, err := takeCount(p)
	if err != nil {
		return record{}, err
	}
	if commands == 0 {
		return record{}, fmt.Errorf("%w: no command", errBadRecord)
	}
	rec.commands = make([][]string, 0, min(commands, 1024))
	for range commands {
		var n int
		if n, p, err = takeCount(p); err != nil {
			return record{}, err
		}
		if n == 0 {
			return record{}, fmt.Errorf("%w: command without name", errBadRecord)
		}
		args := make([]string, 0, min(n, 1024))
		for range n {
			var l int
			if l, p, err = takeCount(p); err != nil {
				return record{}, err
			}
			args = append(args, string(p[:l]))
			p = p[l:]
		}
		rec.commands = append(rec.commands, args)
	}
	if len(p) != 0 {
		return record{}, fmt.Errorf("%w: %d bytes after the last command", errBadRecord, len(p))
	}
	return rec, nil
}

// takeCount reads a varint that counts things of at least one byte each, or bytes.
func takeCount(p []byte) (int, []byte, error) {
	v, n := binary.Uvarint(p)
	if n <= 0 || v > uint64(len(p)-n) {
		return 0, nil, fmt.Errorf("%w: count exceeds the payload", errBadRecord)
	}
	return int(v), p[n:], nil
}

// findRecord returns the offset of the first valid record at or after off, or -1.
func findRecord(r io.ReaderAt, off, size int64) (int64, error) {
	const window = 1 << 20
	buf := make([]byte, window)
	var scratch []byte
	for off < size {
		n := min(int64(window), size-off)
		if err := readFull(r, buf[:n], off); err != nil {
			return -1, err
		}
		for at := 0; ; at++ {
			i := bytes.Index(buf[at:n], recordMark)
			if i < 0 {
				break
			}
			at += i
			switch _, _, err := readRecord(r, off+int64(at), size, &scratch); {
			case err == nil:
				return off + int64(at), nil
			case !errors.Is(err, errBadRecord):
				return -1, err
			}
		}
		if n < window {
			break
		}
		off += n - int64(len(recordMark)) + 1 // a mark may straddle two windows
	}
	return -1, nil
}
