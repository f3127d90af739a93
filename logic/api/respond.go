package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
)

const (
	typeJSON = "application/json; charset=utf-8"
	typeText = "text/plain; charset=utf-8"
)

// origins decides which browser pages may read the answers.
type origins struct {
	any  bool
	list []string
}

func newOrigins(allowed []string) origins {
	return origins{any: slices.Contains(allowed, "*"), list: allowed}
}

// setHeaders writes the headers every answer carries, errors included (B47).
// The origin is echoed, and empty without one (light-push-wire.md 1.1) or
// for one that is not allowed.
func (o origins) setHeaders(h http.Header, origin string) {
	if !o.any && !slices.Contains(o.list, origin) {
		origin = ""
	}
	h["From"] = headerFrom
	h.Set("Access-Control-Allow-Origin", origin)
	h["Access-Control-Allow-Credentials"] = headerTrue
	h["Vary"] = headerVary
}

// Values of headers that all answers share: Header.Set would make a slice for
// each. Nobody may write into them; keys are in canonical form.
var (
	headerFrom = []string{"light-push"}
	headerTrue = []string{"true"}
	headerVary = []string{"Origin"}
	headerJSON = []string{typeJSON}
	headerText = []string{typeText}
)

// preflight answers OPTIONS: allowed without a credential on every path under
// a protected prefix, existing or not, and a 404 elsewhere.
func (a *API) preflight(c *gin.Context, s scope) {
	h := c.Writer.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST")
	h.Set("Access-Control-Allow-Headers", "Content-Type, AdminKey, Nonce, Timestamp, Signature, AppKey, Token, AppId, RefKey, Authorization")
	h.Set("Access-Control-Max-Age", "2592000")
	if s == public {
		a.refuse(c, FailNotFound)
		return
	}
	a.send(c, http.StatusOK, typeText, nil)
}

// succeed answers 200 with the JSON of answer.
func (a *API) succeed(c *gin.Context, answer any) {
	if text, ok := answer.(plain); ok {
		a.send(c, http.StatusOK, typeText, []byte(text))
		return
	}
	if _, ok := answer.(nothing); ok {
		a.sendNothing(c)
		return
	}
	body, err := marshal(answer)
	if err != nil {
		a.refuseAs(c, FailInternal, err)
		return
	}
	status := http.StatusOK
	if _, ok := answer.(unfinished); ok {
		status = http.StatusAccepted
	}
	a.send(c, status, typeJSON, body)
}

// refuse answers with the failure that belongs to err.
func (a *API) refuse(c *gin.Context, err error) { a.refuseAs(c, failureOf(err), err) }

func (a *API) refuseAs(c *gin.Context, failure *Failure, err error) {
	ex := exchangeOf(c)
	ex.code, ex.err = failure.Code, err
	if failure.Status == http.StatusServiceUnavailable || failure.Status == http.StatusConflict {
		c.Writer.Header().Set("Retry-After", "1")
	}
	body, err := marshal(failure)
	if err != nil { // a number and a string always marshal
		body = []byte(`{"code":1500,"msg":"internal error"}`)
	}
	a.send(c, failure.Status, typeJSON, body)
}

// send is the place where answers are written, but for empty ones.
func (a *API) send(c *gin.Context, status int, contentType string, body []byte) {
	h := c.Writer.Header()
	switch contentType {
	case typeJSON:
		h["Content-Type"] = headerJSON
	case typeText:
		h["Content-Type"] = headerText
	default:
		h.Set("Content-Type", contentType)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Response-Time", strconv.FormatInt(time.Since(exchangeOf(c).started).Milliseconds(), 10)+"ms")
	c.Writer.WriteHeader(status)
	if c.Request.Method == http.MethodHead || len(body) == 0 {
		c.Writer.WriteHeaderNow()
		return
	}
	_, _ = c.Writer.Write(body) // the caller has gone: nobody to tell
}

// sendNothing answers 204.
func (a *API) sendNothing(c *gin.Context) {
	c.Writer.Header().Set("X-Response-Time", strconv.FormatInt(time.Since(exchangeOf(c).started).Milliseconds(), 10)+"ms")
	c.Writer.WriteHeader(http.StatusNoContent)
	c.Writer.WriteHeaderNow()
}

// marshal writes JSON as JSON.stringify does: compact, nothing escaped that
// need not be.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
