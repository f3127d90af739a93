package contract

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Response is one answer.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	Took   time.Duration
}

// Client sends requests over one connection at a time. For one goroutine.
type Client struct {
	Host    string
	Timeout time.Duration // of one exchange
	conn    net.Conn
	reader  *bufio.Reader
}

// Close ends the connection.
func (c *Client) Close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// Do sends a request and reads its answer. A connection the server has closed meanwhile is replaced once.
func (c *Client) Do(r *Request) (*Response, error) {
	fresh := c.conn == nil
	res, err := c.exchange(r)
	if err != nil && !fresh {
		c.Close()
		res, err = c.exchange(r)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return res, nil
}

func (c *Client) exchange(r *Request) (*Response, error) {
	if r.Raw || r.Cut {
		c.Close()
	}
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.Host, c.Timeout)
		if err != nil {
			return nil, err
		}
		c.conn, c.reader = conn, bufio.NewReader(conn)
	}
	_ = c.conn.SetDeadline(time.Now().Add(c.Timeout))
	started := time.Now()
	// The answer may come before everything was taken.
	conn, written := c.conn, make(chan struct{})
	go func() {
		defer close(written)
		_, err := conn.Write(r.Bytes(c.Host))
		if tcp, ok := conn.(*net.TCPConn); ok && r.Cut && err == nil {
			_ = tcp.CloseWrite()
		}
	}()
	defer func() { <-written }()
	method := r.Method
	if method != http.MethodHead {
		method = http.MethodGet // CONNECT would have no body
	}
	res, err := http.ReadResponse(c.reader, &http.Request{Method: method})
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	_ = res.Body.Close()
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("read the body: %w", err)
	}
	if len(body) > maxAnswer {
		_ = conn.Close()
		return nil, errors.New("the answer has no end")
	}
	if res.Close || r.Raw || r.Cut {
		c.Close()
	}
	return &Response{Status: res.StatusCode, Header: res.Header, Body: body, Took: time.Since(started)}, nil
}

const maxAnswer = 64 << 20
