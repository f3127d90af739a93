//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// withMetrics makes a process serve its metrics on a free port.
const withMetrics = "LIGHTPUSH_METRICS_LISTEN=127.0.0.1:0"

var metricsLine = regexp.MustCompile(`"address":"([^"]+)"[^\n]*"message":"metrics are served"`)

// metric is the sum of the samples of a process whose name, with labels, begins with prefix.
func metric(t testing.TB, p *process, prefix string) float64 {
	t.Helper()
	sum, err := tryMetric(p, prefix)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func tryMetric(p *process, prefix string) (sum float64, err error) {
	found := metricsLine.FindStringSubmatch(p.log())
	if found == nil {
		return 0, errors.New("the process serves no metrics")
	}
	res, err := httpClient.Get("http://" + found[1] + "/metrics")
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), "} ")
		if !ok {
			name, value, ok = strings.Cut(lines.Text(), " ")
		}
		if !ok || !strings.HasPrefix(name, prefix) {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, lines.Err()
}

// relayed is how many requests the connectors have passed on, by kind and outcome.
func (d *deployment) relayed(t testing.TB, kind, outcome string) (sum float64) {
	t.Helper()
	for i := range d.sockets {
		sum += metric(t, d.connectorProcess(i), fmt.Sprintf(`lightpush_relayed_total{kind=%q,outcome=%q`, kind, outcome))
	}
	return sum
}

// TestNoStickySessions: all generations and transports behind a round-robin nginx with TLS do all that a client must be
// able to do. Nothing in nginx keeps the requests of a session together.
func TestNoStickySessions(t *testing.T) {
	d := startRoles(t, 3, 1, withMetrics)
	b := startBalanced(t, d, roundRobin)
	behind(t, b)
	for _, kind := range []string{"poll", "post", "upgrade"} {
		n := d.relayed(t, kind, "relayed")
		t.Logf("%s: %.0f passed on", kind, n)
		if n == 0 {
			t.Errorf("no %s was passed on: is this round robin?", kind)
		}
		for _, outcome := range []string{"dead", "busy"} {
			if n := d.relayed(t, kind, outcome); n != 0 {
				t.Errorf("%s: %.0f requests with outcome %s", kind, n, outcome)
			}
		}
	}
}

// TestHashNeedsNoRelay: with the hash on uuid, nothing is passed on.
func TestHashNeedsNoRelay(t *testing.T) {
	d := startRoles(t, 3, 1, withMetrics)
	behind(t, startBalanced(t, d, hashUUID))
	for i := range d.sockets {
		if n := metric(t, d.connectorProcess(i), "lightpush_relayed_total"); n != 0 {
			t.Errorf("connector %d has passed %.0f requests on", i, n)
		}
	}
}

// behind runs the scenario of every client through nginx.
func behind(t *testing.T, b *balanced) {
	drv := startNodeTrusting(t, b.cert)
	t.Run("clients", func(t *testing.T) {
		for _, lib := range []string{"v2", "v3", "v4"} {
			for _, m := range modes {
				t.Run(lib+"/"+m.name, func(t *testing.T) {
					t.Parallel()
					runCore(t, rig{drv: drv, lib: lib, mode: m, url: b.url, path: "/push/socket.io/", namespace: b.namespace.name, api: b.api(t, 0)}, lib+"-"+m.name)
				})
			}
		}
	})
}

// TestRelayOff: without node_address "off" at work, a session is unknown on the other connector.
func TestRelayOff(t *testing.T) {
	for _, c := range []struct {
		env  string
		want int
	}{{"LIGHTPUSH_NODE_ADDRESS=off", 400}, {"LIGHTPUSH_NODE_ADDRESS=", 200}, {"LIGHTPUSH_CLUSTER_SECRET=0123456789abcdef", 200}} {
		d := startRoles(t, 2, 1, c.env)
		sid := d.handshake(t, 0, "")
		eventually(t, eventTimeout, "the connectors know each other", func() error {
			status, body := d.post(t, 1, sid, "40/nowhere,")
			if status != c.want {
				return fmt.Errorf("%s: POST to the other connector: %d %s, want %d", c.env, status, body, c.want)
			}
			return nil
		})
	}
}

// handshake opens a polling session.
func (d *deployment) handshake(t testing.TB, connector int, query string) (sid string) {
	t.Helper()
	res, err := httpClient.Get(d.sockets[connector] + "/socket.io/?EIO=4&transport=polling" + query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	var open struct{ SID string }
	if len(body) == 0 || json.Unmarshal(body[1:], &open) != nil || open.SID == "" {
		t.Fatalf("handshake: %d %s", res.StatusCode, body)
	}
	return open.SID
}

func (d *deployment) post(t testing.TB, connector int, sid, packets string) (int, string) {
	t.Helper()
	res, err := httpClient.Post(d.sockets[connector]+"/socket.io/?EIO=4&transport=polling&sid="+sid, "text/plain", strings.NewReader(packets))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(body)
}

// TestDeadOwner: a session of a connector that was killed is an unknown one everywhere, at once.
func TestDeadOwner(t *testing.T) {
	d := startRoles(t, 2, 1, withMetrics)
	sid := d.handshake(t, 0, "")
	if status, body := d.post(t, 1, sid, "40/nowhere,"); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	d.connectorProcess(0).kill()
	for range 3 {
		status, body := d.post(t, 1, sid, "3")
		if status != 400 || body != `{"code":1,"message":"Session ID unknown"}` {
			t.Errorf("%d %s", status, body)
		}
	}
	if n := metric(t, d.connectorProcess(1), `lightpush_relayed_total{kind="post",outcome="dead"`); n < 1 {
		t.Errorf("%.0f dead", n)
	}
	// A header that nobody with the secret has made is refused, whatever it says.
	req, _ := http.NewRequest("GET", d.sockets[1]+"/socket.io/?EIO=4&transport=polling&sid="+sid, nil)
	req.Header.Set("Lightpush-Relay", "1.1.MTI3LjAuMC4xOjE.00")
	res, err := httpClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if n := metric(t, d.connectorProcess(1), "lightpush_relay_refused_total"); res.StatusCode != 403 || n != 1 {
		t.Errorf("%d, %.0f refused", res.StatusCode, n)
	}
}

// TestClientAddressBehindNginx: the business system hears the address nginx has seen, not what the client claims; also
// when every request of the client lands on another connector than its session.
func TestClientAddressBehindNginx(t *testing.T) {
	got := make(chan string, 10)
	business := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got <- r.URL.Query().Get("ip") + r.Header.Get("X-Real-IP") + r.Header.Get("X-Forwarded-For")
	}))
	defer business.Close()
	d := startRoles(t, 2, 1, "LIGHTPUSH_TRUSTED_PROXIES=127.0.0.1/32")
	b := startBalanced(t, d, roundRobin)
	d.adminAPI(t, 0).post("/api/admin/namespace/save", map[string]any{"key": d.namespace.name, "connect_callback": business.URL}, 200)
	transport := b.http.Transport.(*http.Transport)
	transport.DialContext = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}).DialContext
	transport.DisableKeepAlives = true
	ask := func(method, query, body string) string {
		t.Helper()
		req, _ := http.NewRequest(method, b.url+"/push/socket.io/?EIO=4&transport=polling&uuid=u&userid=u"+query, strings.NewReader(body))
		req.Header.Set("X-Forwarded-For", "6.6.6.6")
		res, err := b.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		text, _ := io.ReadAll(res.Body)
		if res.StatusCode != 200 {
			t.Fatalf("%s %s: %d %s", method, query, res.StatusCode, text)
		}
		return string(text)
	}
	for range 2 { // in turn: once the first, once the second connector has the session
		var open struct{ SID string }
		if err := json.Unmarshal([]byte(ask("GET", "", "")[1:]), &open); err != nil {
			t.Fatal(err)
		}
		ask("POST", "&sid="+open.SID, "40"+d.namespace.name+",")
		eventually(t, eventTimeout, "the callback", func() error {
			select {
			case ip := <-got:
				if !strings.Contains(ip, "127.0.0.9") || strings.Contains(ip, "6.6.6.6") {
					t.Errorf("the business system heard %q", ip)
				}
				return nil
			default:
				return errors.New("none")
			}
		})
	}
}
