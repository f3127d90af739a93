package embedded

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// errProtocol says that the client sent something else than an array of bulk strings within the limits.
var errProtocol = errors.New("protocol error")

// readCommand reads one request: an array of bulk strings (RESP, the form every client library sends). Counts and
// lengths are checked before anything of their size is allocated. An empty array yields nil.
func readCommand(r *bufio.Reader) ([]string, error) {
	n, err := readLength(r, '*', maxArgs)
	if err != nil || n == 0 {
		return nil, err
	}
	args := make([]string, 0, min(n, 64))
	total := 0
	for range n {
		l, err := readLength(r, '$', maxCommandBytes)
		if err != nil {
			return nil, unexpectedEOF(err)
		}
		if total += l; total > maxCommandBytes {
			return nil, fmt.Errorf("%w: command exceeds %d bytes", errProtocol, maxCommandBytes)
		}
		arg, err := readBulk(r, l)
		if err != nil {
			return nil, unexpectedEOF(err)
		}
		args = append(args, arg)
	}
	return args, nil
}

// readLength reads a line of the mark and a decimal length.
func readLength(r *bufio.Reader, mark byte, limit int) (int, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		if errors.Is(err, bufio.ErrBufferFull) {
			return 0, fmt.Errorf("%w: line too long", errProtocol)
		}
		return 0, err
	}
	if len(line) < 4 || line[0] != mark || line[len(line)-2] != '\r' {
		return 0, fmt.Errorf("%w: %q is no length after %q", errProtocol, line[:min(len(line), 32)], mark)
	}
	n := 0
	for _, c := range line[1 : len(line)-2] {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%w: bad length", errProtocol)
		}
		if n = n*10 + int(c-'0'); n > limit {
			return 0, fmt.Errorf("%w: length exceeds %d", errProtocol, limit)
		}
	}
	return n, nil
}

func readBulk(r *bufio.Reader, n int) (string, error) {
	var s string
	if n+2 <= r.Size() {
		b, err := r.Peek(n + 2)
		if err != nil {
			return "", err
		}
		s = string(b)
		if _, err := r.Discard(n + 2); err != nil {
			return "", err
		}
	} else {
		var b strings.Builder // grows with what arrives, not with what is announced
		if _, err := io.CopyN(&b, r, int64(n+2)); err != nil {
			return "", err
		}
		s = b.String()
	}
	if s[n:] != "\r\n" {
		return "", fmt.Errorf("%w: bulk string of %d bytes does not end there", errProtocol, n)
	}
	return s[:n], nil
}

func unexpectedEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// appendCommand appends a request; tests and fuzzing write with it.
func appendCommand(dst []byte, args ...string) []byte {
	dst = append(strconv.AppendInt(append(dst, '*'), int64(len(args)), 10), '\r', '\n')
	for _, a := range args {
		dst = append(strconv.AppendInt(append(dst, '$'), int64(len(a)), 10), '\r', '\n')
		dst = append(append(dst, a...), '\r', '\n')
	}
	return dst
}
