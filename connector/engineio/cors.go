package engineio

import (
	"net/http"
	"net/url"
	"strings"
)

// cors sets the CORS headers of every answer (section 2.6) and answers a preflight, which it reports. Without
// Options.AllowOrigin it does nothing.
func (c *call) cors() (answered bool) {
	allow := c.srv.options.AllowOrigin
	if allow == nil {
		return false
	}
	h := c.w.Header()
	origin := c.r.Header.Get("Origin")
	switch {
	case origin == "":
		h.Set("Access-Control-Allow-Origin", "*")
	case allow(origin) || ownOrigin(origin, c.r.Host):
		// Version 2 clients send credentials by default, for which browsers reject "*".
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
		h.Add("Vary", "Origin")
	default:
		c.foreign = true
		h.Add("Vary", "Origin")
	}
	if c.r.Method != http.MethodOptions {
		return false
	}
	if !c.foreign {
		h.Set("Access-Control-Allow-Methods", "GET, POST")
		wanted := c.r.Header.Get("Access-Control-Request-Headers")
		if wanted == "" {
			wanted = "Content-Type"
		}
		h.Set("Access-Control-Allow-Headers", wanted)
		h.Add("Vary", "Access-Control-Request-Headers")
	}
	h.Set("Content-Length", "0")
	c.w.WriteHeader(http.StatusNoContent)
	return true
}

// ownOrigin reports whether a page came from the host that it asks now. The
// scheme is not compared: a proxy in front may speak TLS.
func ownOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && u.User == nil && strings.EqualFold(u.Host, host)
}
