package doctor

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/lightpush/lightpush/internal/simulator/wire"
)

// cors checks what a browser on a page of Origin would be told.
func (v *visitor) cors(ctx context.Context) []Line {
	return []Line{v.socketCORS(ctx), v.restCORS(ctx)}
}

func (v *visitor) allow() string {
	return fmt.Sprintf("allowed_origins: [%q]", v.site.Origin)
}

func (v *visitor) socketCORS(ctx context.Context) Line {
	const name = "CORS, Socket.IO"
	a, err := v.ask(ctx, http.MethodGet, v.url("polling", ""), "", http.Header{"Origin": {v.site.Origin}}, requestTimeout)
	if err != nil {
		return judged(name, Fail, clip(err.Error()), v.site.Origin+" allowed", v.allow())
	}
	if strings.HasPrefix(a.body, "0") {
		if hand, ok := wire.ParseHandshake([]byte(a.body[1:])); ok {
			defer v.leave(ctx, hand.SID)
		}
	}
	if a.status == http.StatusForbidden || strings.Contains(a.body, `"code":4`) {
		return judged(name, Fail, fmt.Sprintf("the server refuses the origin: HTTP %d %s", a.status, clip(a.body)), v.site.Origin+" allowed", v.allow())
	}
	return v.judgeCORS(name, a.header, true)
}

// restCORS is the preflight of a push from a page.
func (v *visitor) restCORS(ctx context.Context) Line {
	const name = "CORS, REST"
	base := v.site.API
	if base == "" {
		base = v.site.URL
	}
	a, err := v.ask(ctx, http.MethodOptions, strings.TrimRight(base, "/")+"/api/auth/push", "", http.Header{
		"Origin": {v.site.Origin}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"authorization,content-type"},
	}, requestTimeout)
	switch {
	case err != nil:
		return judged(name, Fail, clip(err.Error()), "an answer to OPTIONS", "--api-url, with the prefix behind nginx: https://host/push-logic")
	case a.status == http.StatusNotFound:
		return judged(name, Skip, "no REST API under "+base+": give --api-url", "", "")
	case a.status < 200 || a.status > 299:
		return judged(name, Fail, fmt.Sprintf("OPTIONS is answered with HTTP %d", a.status), "200 or 204, without a login", "nginx must hand OPTIONS on: no auth_basic and no limit_except in its location")
	}
	headers := strings.ToLower(strings.Join(a.header.Values("Access-Control-Allow-Headers"), ","))
	if !strings.Contains(headers, "authorization") && headers != "*" {
		return judged(name, Fail, "the header Authorization is not allowed", "Access-Control-Allow-Headers with authorization",
			"remove add_header Access-Control-Allow-Headers from nginx: lightpush sends its own")
	}
	return v.judgeCORS(name, a.header, false)
}

// judgeCORS: exactly one value that names the origin, and credentials where cookies or v2 clients need them.
func (v *visitor) judgeCORS(name string, h http.Header, credentials bool) Line {
	origins := h.Values("Access-Control-Allow-Origin")
	needed := "Access-Control-Allow-Origin: " + v.site.Origin + ", once"
	switch {
	case len(origins) == 0:
		return judged(name, Fail, "no Access-Control-Allow-Origin", needed, v.allow())
	case len(origins) > 1 || strings.Contains(origins[0], ","):
		return judged(name, Fail, "several values: "+clip(strings.Join(origins, " and ")), needed,
			"remove add_header Access-Control-Allow-Origin from nginx: lightpush sends its own")
	case origins[0] == "*" && credentials:
		return judged(name, Warn, "*, which clients of generation 2 with credentials refuse", needed, v.allow())
	case origins[0] != "*" && origins[0] != v.site.Origin:
		return judged(name, Fail, clip(origins[0]), needed, v.allow())
	case credentials && h.Get("Access-Control-Allow-Credentials") != "true":
		return judged(name, Warn, origins[0]+" without credentials", "Access-Control-Allow-Credentials: true",
			"remove what hides Access-Control-Allow-Credentials in nginx (proxy_hide_header)")
	}
	return judged(name, OK, origins[0]+" is allowed", "", "")
}
