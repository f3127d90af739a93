package api

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/lightpush/lightpush/internal/input"
)

// Of a body that is too large this much is still read and thrown away, for at
// most that long, so that the caller gets to read the answer.
const (
	drainMax  = 4 << 20
	drainTime = 2 * time.Second
)

// readBody reads and parses the body (light-push-wire.md 1.1). Without a
// content type, and for types that are not understood, it counts as {}. text
// says that the body was plain text.
func (a *API) readBody(c *gin.Context) (fields input.Fields, text bool, err error) {
	mediaType, _, _ := mime.ParseMediaType(c.Request.Header.Get("Content-Type"))
	switch {
	case mediaType == "application/json" || strings.HasSuffix(mediaType, "+json"):
		body, err := a.readAll(c, a.o.JSONLimit)
		if err != nil {
			return nil, false, err
		}
		if len(bytes.TrimSpace(body)) == 0 {
			return input.Fields{}, false, nil
		}
		fields, err = input.FromJSON(body)
		return fields, false, err
	case mediaType == "application/x-www-form-urlencoded":
		body, err := a.readAll(c, a.o.FormLimit)
		if err != nil {
			return nil, false, err
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, false, FailBadRequest
		}
		fields, err = input.FromForm(form)
		return fields, false, err
	case mediaType == "text/plain":
		body, err := a.readAll(c, a.o.FormLimit)
		return nil, len(body) > 0, err
	default:
		return input.Fields{}, false, nil
	}
}

// readAll reads at most limit bytes, for at most Options.Timeout, and refuses
// more.
func (a *API) readAll(c *gin.Context, limit int64) ([]byte, error) {
	r := c.Request
	if r.Body == nil {
		return nil, nil
	}
	if r.ContentLength > limit {
		return nil, a.tooLarge(c)
	}
	// Not every writer has deadlines; then the server's own must do.
	connection := http.NewResponseController(c.Writer)
	_ = connection.SetReadDeadline(time.Now().Add(a.o.Timeout))
	var b bytes.Buffer
	if r.ContentLength > 0 {
		b.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	if _, err := b.ReadFrom(io.LimitReader(r.Body, limit+1)); err != nil {
		return nil, FailBadRequest // cut off, malformed or too slow
	}
	// From here on net/http reads ahead to notice a caller that has gone; a
	// deadline would look like that.
	_ = connection.SetReadDeadline(time.Time{})
	if int64(b.Len()) > limit {
		return nil, a.tooLarge(c)
	}
	exchangeOf(c).body = b.Bytes()
	return b.Bytes(), nil
}

// tooLarge throws away a bounded rest of the body: closing the connection on
// a caller that still writes would reset it before the answer is read.
func (a *API) tooLarge(c *gin.Context) error {
	c.Writer.Header().Set("Connection", "close")
	_ = http.NewResponseController(c.Writer).SetReadDeadline(time.Now().Add(drainTime))
	_, _ = io.CopyN(io.Discard, c.Request.Body, drainMax)
	return FailTooLarge
}
