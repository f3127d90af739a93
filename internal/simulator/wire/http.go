package wire

import (
	"bytes"
	"errors"
	"strconv"
)

// MaxHead bounds the head of an HTTP answer, in bytes.
const MaxHead = 32 << 10

// ErrHTTP is an answer that is not HTTP/1.1.
var ErrHTTP = errors.New("answer is not HTTP")

// Response is one HTTP answer. Body may lie inside the buffer it was found in.
type Response struct {
	Status int
	Body   []byte
	Close  bool // the server ends the connection after it
}

// NextResponse finds the first HTTP answer of buf, which must be of known length or chunked. n is its whole length, 0 when
// buf ends before it does.
func NextResponse(buf []byte) (r Response, n int, err error) {
	end := bytes.Index(buf, []byte("\r\n\r\n"))
	if end < 0 {
		if len(buf) > MaxHead {
			return r, 0, ErrHTTP
		}
		return r, 0, nil
	}
	line, head, _ := bytes.Cut(buf[:end+2], []byte("\r\n"))
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[8] != ' ' {
		return r, 0, ErrHTTP
	}
	if r.Status, err = strconv.Atoi(string(line[9:12])); err != nil || r.Status < 100 {
		return r, 0, ErrHTTP
	}
	r.Close = line[7] == '0'
	length, chunked := 0, false
	for len(head) > 0 {
		line, head, _ = bytes.Cut(head, []byte("\r\n"))
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 {
				return r, 0, ErrHTTP
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		case bytes.EqualFold(name, []byte("Connection")):
			r.Close = bytes.EqualFold(value, []byte("close"))
		}
	}
	body := buf[end+4:]
	switch {
	case r.Status < 200 || r.Status == 204 || r.Status == 304:
		return r, end + 4, nil
	case chunked:
		var used int
		r.Body, used, err = dechunk(body)
		if used == 0 {
			return r, 0, err
		}
		return r, end + 4 + used, nil
	case length > MaxMessage:
		return r, 0, ErrTooLong
	case len(body) < length:
		return r, 0, nil
	}
	r.Body = body[:length]
	return r, end + 4 + length, nil
}

// dechunk joins the chunks of a body; n is 0 when it is incomplete. Trailers are not understood.
func dechunk(p []byte) (body []byte, n int, err error) {
	for {
		i := bytes.Index(p[n:], []byte("\r\n"))
		if i < 0 {
			if len(p)-n > 100 {
				return nil, 0, ErrHTTP
			}
			return nil, 0, nil
		}
		text, _, _ := bytes.Cut(p[n:n+i], []byte(";"))
		size, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 16, 31)
		if err != nil {
			return nil, 0, ErrHTTP
		}
		if int(size)+len(body) > MaxMessage {
			return nil, 0, ErrTooLong
		}
		n += i + 2
		if len(p) < n+int(size)+2 {
			return nil, 0, nil
		}
		body = append(body, p[n:n+int(size)]...)
		if n += int(size); p[n] != '\r' || p[n+1] != '\n' {
			return nil, 0, ErrHTTP
		}
		if n += 2; size == 0 {
			return body, n, nil
		}
	}
}
