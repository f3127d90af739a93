package api

import (
	"strings"
	"testing"
)

// The administrator acts for a namespace without its password (B33), and
// nobody else does.
func TestAdministratorActsForANamespace(t *testing.T) {
	s := newServer(t)
	const secret = "s3cret:with:colons"
	s.do(t, "POST", "/api/auth/login", auth("root@/demo:"+secret)).want(t, "login", 200, "{}")
	own := s.do(t, "GET", "/api/auth/namespace", auth("root@/demo:"+secret))
	if own.status != 200 || !strings.Contains(own.body, `"key":"/demo"`) {
		t.Errorf("%d %s", own.status, own.body)
	}
	s.do(t, "POST", "/api/auth/push", auth("root@/other:"+secret), jsonBody(`{"room":"r","pushData":{}}`)).want(t, "push", 200, `{"id":1}`)
	if s.pushes.ns != "/other" {
		t.Errorf("pushed to %s", s.pushes.ns)
	}
	s.do(t, "GET", "/api/auth/namespace", auth("root@/bare:"+secret)).want(t, "without a password", 200, shownBare+"}")
	for credential, want := range map[string]answer{
		"root@/nothing:" + secret:     {status: 400, body: refused(1002, "namespace not found")},
		"root@/demo:wrong":            {status: 401, body: refused(1004, "auth error")},
		"root@/demo:" + password:      {status: 401, body: refused(1004, "auth error")},
		"root@/demo:":                 {status: 401, body: refused(1004, "auth error")},
		"root@/nothing:wrong":         {status: 401, body: refused(1004, "auth error")}, // names are not told
		"other@/demo:" + secret:       {status: 401, body: refused(1004, "auth error")},
		"@/demo:" + secret:            {status: 400, body: refused(1002, "namespace not found")},
		"/demo@/other:" + password:    {status: 400, body: refused(1002, "namespace not found")},
		"root@demo:" + secret:         {status: 400, body: refused(1002, "namespace not found")},
		"root:" + secret:              {status: 400, body: refused(1002, "namespace not found")},
		"root@/demo@/other:" + secret: {status: 400, body: refused(1002, "namespace not found")},
	} {
		s.do(t, "GET", "/api/auth/namespace", auth(credential)).want(t, credential, want.status, want.body)
	}
	// On the administrator's own routes it is an ordinary, wrong name.
	s.do(t, "GET", "/api/admin/namespace/list", auth("root@/demo:"+secret)).want(t, "admin route", 401, refused(1004, "auth error"))
	if !strings.Contains(s.log.String(), `"caller":"admin for /demo"`) {
		t.Error("the log does not tell who acted")
	}
}

func TestAdministratorsGuessesAreLimited(t *testing.T) {
	s := newServer(t, func(o *Options) { o.FailuresPerMinute = 2 })
	for range 2 {
		s.do(t, "POST", "/api/auth/login", auth("root@/demo:x")).want(t, "guess", 401, refused(1004, "auth error"))
	}
	s.do(t, "POST", "/api/auth/login", auth("root@/other:x")).want(t, "guess for another", 429, refused(1005, "too many failed logins, try again later"))
	s.do(t, "POST", "/api/admin/login", auth("root:x")).want(t, "the same budget", 429, refused(1005, "too many failed logins, try again later"))
}
