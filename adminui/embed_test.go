package adminui

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHandler(t *testing.T) {
	for _, c := range []struct {
		method, path string
		status       int
		holds        string
	}{
		{"GET", "/push-admin/", 200, "lightpush"},
		{"HEAD", "/push-admin/", 200, ""},
		{"GET", "/push-admin/style.css", 200, "body"},
		{"GET", "/push-admin/nothing", 404, ""},
		{"GET", "/push-admin/../embed.go", 404, ""},
		{"POST", "/push-admin/", 405, ""},
	} {
		w := httptest.NewRecorder()
		Handler().ServeHTTP(w, httptest.NewRequest(c.method, "http://host"+c.path, nil))
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.holds) {
			t.Errorf("%s %s = %d %q", c.method, c.path, w.Code, w.Body)
		}
		if w.Code == http.StatusOK && w.Header().Get("Content-Security-Policy") == "" {
			t.Errorf("%s %s: no Content-Security-Policy", c.method, c.path)
		}
	}
}
