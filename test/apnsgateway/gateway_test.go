package apnsgateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"testing"
	"time"
)

// The gateway is one of HTTP/2, records what it gets, and answers as told.
func TestGateway(t *testing.T) {
	g, err := Start(Options{Respond: func(r Request) Answer {
		if r.Token == "bad" {
			return Answer{Status: 410, Reason: "Unregistered"}
		}
		return Answer{}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(g.Authority().PEM())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	for _, tc := range []struct {
		path   string
		status int
		holds  string
	}{
		{"/3/device/good", 200, ""},
		{"/3/device/bad", 410, `"reason":"Unregistered"`},
		{"/other", 404, `"reason":"BadPath"`},
	} {
		resp, err := client.Post(g.URL()+tc.path, "application/json", bytes.NewReader([]byte(`{}`)))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		if err != nil || resp.StatusCode != tc.status || !bytes.Contains(text, []byte(tc.holds)) || resp.ProtoMajor != 2 {
			t.Errorf("%s: %d %s, %s, %v", tc.path, resp.StatusCode, text, resp.Proto, err)
		}
	}
	requests, err := g.Wait(t.Context(), 3)
	if err != nil || requests[0].Token != "good" || requests[1].Seq != 2 || g.Received() != 3 || g.Connections() != 1 || g.Open() != 1 {
		t.Errorf("%+v, %v", requests, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Wait(ctx, 4); err == nil {
		t.Error("waited for a request that never came")
	}
}
