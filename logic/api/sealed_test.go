package api

import (
	"slices"
	"strings"
	"testing"
)

// TestSealedDevices holds that a tenant reaches no device of another, and
// learns nothing of it: its ids are unknown ids (B32).
func TestSealedDevices(t *testing.T) {
	s := newServer(t)
	const foreign = `"id":"/other#bob#web-b1"`
	s.do(t, "POST", "/api/auth/client", auth(tenantOK), jsonBody(`{`+foreign+`}`)).want(t, "read", 200, `{}`)
	for _, change := range []string{`"device_token":"stolen"`, `"leaveMessage":false`, `"nspName":"/other"`, `"longitude":1,"latitude":1,"userId":"bob","nspName":"/other"`} {
		s.do(t, "POST", "/api/auth/client", auth(tenantOK), jsonBody(`{`+foreign+`,`+change+`}`)).want(t, change, 400, refused(9999, "this id not exists"))
		s.do(t, "POST", "/api/auth/client", auth(tenantOK), jsonBody(`{`+foreign+`,"namespace":"/other",`+change+`}`)).want(t, change, 400, refused(9999, "this id not exists"))
	}
	if calls := s.devices.take(); len(calls) > 0 {
		t.Errorf("did %q", calls)
	}
	s.do(t, "POST", "/api/auth/client", auth("/other:123456"), jsonBody(`{`+foreign+`}`)).want(t, "its own", 200, `{"device_token":"secret","userid":"bob"}`)
}

// TestSealedNamespaceField holds that no body chooses the namespace: it is the
// credential's (B34).
func TestSealedNamespaceField(t *testing.T) {
	s := newServer(t)
	for path, body := range map[string]string{
		"room-apns":          `{"namespace":"/other","room":"z","add":["a"]}`,
		"room-leave-message": `{"namespace":"/other","room":"z","leaveMessage":false}`,
		"transfer":           `{"namespace":"/other","targetRoom":"dst","sourceRooms":["src"],"type":"join"}`,
	} {
		s.do(t, "POST", "/api/auth/"+path, auth(tenantOK), jsonBody(body)).want(t, path, 200, `{}`)
	}
	calls := s.devices.take()
	if len(calls) != 3 {
		t.Errorf("did %q", calls)
	}
	for _, call := range calls {
		if words := strings.Fields(call); !slices.Contains(words, "/demo") || slices.Contains(words, "/other") {
			t.Errorf("did %q", call)
		}
	}
	s.do(t, "POST", "/api/auth/push", auth(tenantOK), jsonBody(`{"namespace":"/other","room":"z","pushData":{}}`)).want(t, "push", 200, `{"id":1}`)
	if s.pushes.ns != "/demo" {
		t.Errorf("pushed to %s", s.pushes.ns)
	}
}
