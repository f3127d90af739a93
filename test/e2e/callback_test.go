//go:build e2e

package e2e

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lightpush/lightpush/test/e2e/wsclient"
)

const callbackSecret = "whsec-e2e"

// businessSystem records the callbacks it gets and checks their signatures.
type businessSystem struct {
	t      testing.TB
	url    string
	status atomic.Int64 // of its answers to disconnect callbacks

	mu         sync.Mutex
	connected  map[string]int      // uuid → connect callbacks
	gone       map[string]int      // uuid → disconnect callbacks answered with 200
	tries      int                 // disconnect callbacks answered with anything else
	deliveries map[string][]string // uuid → X-Lightpush-Delivery of all its disconnect callbacks
}

func startBusiness(t testing.TB) *businessSystem {
	b := &businessSystem{t: t, connected: map[string]int{}, gone: map[string]int{}, deliveries: map[string][]string{}}
	b.status.Store(200)
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

// ServeHTTP implements http.Handler.
func (b *businessSystem) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if err := checkSignature(r, body); err != nil {
		b.t.Errorf("%s %s: %v", r.Method, r.RequestURI, err)
	}
	if r.Header.Get("namespace") != "/demo" || r.Header.Get("authorization") != "Bearer e2e" {
		b.t.Errorf("headers %v", r.Header)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.Method == http.MethodGet {
		b.connected[r.URL.Query().Get("uuid")]++
		return
	}
	var said struct{ Query map[string]string }
	if err := json.Unmarshal(body, &said); err != nil || said.Query["token"] != "of "+said.Query["uuid"] {
		b.t.Errorf("body %s, %v", body, err)
	}
	uuid := said.Query["uuid"]
	b.deliveries[uuid] = append(b.deliveries[uuid], r.Header.Get("X-Lightpush-Delivery"))
	status := int(b.status.Load())
	if status == 200 {
		b.gone[uuid]++
	} else {
		b.tries++
	}
	w.WriteHeader(status)
}

// checkSignature is what the documentation tells business systems to do.
func checkSignature(r *http.Request, body []byte) error {
	stamp, sum, ok := strings.Cut(r.Header.Get("X-Lightpush-Signature"), ",v1=")
	var seconds int64
	if _, err := fmt.Sscanf(stamp, "t=%d", &seconds); err != nil || !ok {
		return fmt.Errorf("signature %q", r.Header.Get("X-Lightpush-Signature"))
	}
	mac := hmac.New(sha256.New, []byte(callbackSecret))
	_, _ = fmt.Fprintf(mac, "%d.%s.%s.%s", seconds, r.Method, r.RequestURI, body)
	if hex.EncodeToString(mac.Sum(nil)) != sum {
		return fmt.Errorf("wrong signature %q", sum)
	}
	if age := time.Since(time.Unix(seconds, 0)).Abs(); age > time.Minute {
		return fmt.Errorf("signature is %v old", age)
	}
	return nil
}

// callbackDeployment has its namespace's callbacks go to b. With a short lease the dead are noticed soon.
func callbackDeployment(t testing.TB, b *businessSystem, connectors int) (d *deployment, redis string) {
	redis = startRedis(t)
	d = &deployment{admin: credential{"admin", "e2e-admin-passwd"}, namespace: credential{"/demo", "e2e-demo-passwd"}}
	d.apis = append(d.apis, d.startRole(t, "logic", 0, redis, shortLease))
	for i := range connectors {
		d.sockets = append(d.sockets, d.startRole(t, "connector", i, redis, shortLease))
	}
	d.adminAPI(t, 0).post("/api/admin/namespace/save", map[string]any{
		"key": d.namespace.name, "auth_passwd": d.namespace.passwd, "connect_callback": b.url + "/in?x=1", "disconnect_callback": b.url + "/out?y=1",
		"callback_auth": "Bearer e2e", "callback_secret": callbackSecret,
	}, 200)
	for i := range d.sockets {
		d.waitNamespace(t, i)
	}
	return d, redis
}

const shortLease = "LIGHTPUSH_NODE_LEASE=3000"

func (d *deployment) connect(t testing.TB, connector int, uuid string) *wsclient.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := wsclient.Dial(ctx, wsclient.Config{
		Addr: d.host(connector), EIO: 4, Namespace: d.namespace.name, Query: url.Values{"uuid": {uuid}, "token": {"of " + uuid}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// callbackQueue are the figures of the queue of disconnect callbacks.
func callbackQueue(a *api) (figures struct{ Waiting, Ready, Working, Dead int }, err error) {
	var queues []struct {
		Name                          string
		Waiting, Ready, Working, Dead int
	}
	if err := a.tryGet("/api/admin/queue", &queues); err != nil {
		return figures, err
	}
	for _, q := range queues {
		if q.Name == "callback" {
			figures.Waiting, figures.Ready, figures.Working, figures.Dead = q.Waiting, q.Ready, q.Working, q.Dead
			return figures, nil
		}
	}
	return figures, fmt.Errorf("no queue callback in %v", queues)
}

// waitGone waits until each of the clients was reported once, nobody else was, and nothing is left to send.
func (b *businessSystem) waitGone(a *api, uuids []string, within time.Duration) {
	b.t.Helper()
	eventually(b.t, within, "disconnect callbacks", func() error {
		b.mu.Lock()
		missing := 0
		for _, uuid := range uuids {
			if b.gone[uuid] == 0 {
				missing++
			}
		}
		b.mu.Unlock()
		figures, err := callbackQueue(a)
		if err == nil && (missing > 0 || figures.Waiting+figures.Ready+figures.Working+figures.Dead > 0) {
			err = fmt.Errorf("%d of %d are missing, queue %+v", missing, len(uuids), figures)
		}
		return err
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.gone) != len(uuids) {
		b.t.Errorf("%d clients were reported, want %d", len(b.gone), len(uuids))
	}
	all := map[string]string{} // delivery → uuid
	for uuid, n := range b.gone {
		if n != 1 {
			b.t.Errorf("client %s was reported %d times", uuid, n)
		}
		for _, id := range b.deliveries[uuid] {
			if id != b.deliveries[uuid][0] || all[id] != "" && all[id] != uuid {
				b.t.Errorf("client %s has the deliveries %v", uuid, b.deliveries[uuid])
			}
			all[id] = uuid
		}
	}
}

// TestCallbacksOfKilledConnector: kill -9 of a connector with clients; each is reported to the business system exactly
// once when the lease is over, also those that have come back on another connector meanwhile.
func TestCallbacksOfKilledConnector(t *testing.T) {
	const clients = 60
	b := startBusiness(t)
	d, _ := callbackDeployment(t, b, 2)
	var uuids []string
	for i := range clients {
		uuid := fmt.Sprintf("k%d", i)
		uuids = append(uuids, uuid)
		d.connect(t, 0, uuid)
	}
	bystander := d.connect(t, 1, "bystander")
	d.connectorProcess(0).kill()
	back := make([]*wsclient.Conn, 10) // before the dead node is swept
	for i := range back {
		back[i] = d.connect(t, 1, uuids[i])
	}
	b.waitGone(d.adminAPI(t, 0), uuids, 60*time.Second)
	b.mu.Lock()
	for i, uuid := range uuids {
		want := 1
		if i < len(back) {
			want = 2
		}
		if b.connected[uuid] != want {
			t.Errorf("client %s: %d connect callbacks, want %d", uuid, b.connected[uuid], want)
		}
	}
	b.gone, b.deliveries = map[string]int{}, map[string][]string{}
	b.mu.Unlock()

	// Those that came back are reported again when they leave.
	for _, c := range append(back, bystander) {
		_ = c.Close()
	}
	b.waitGone(d.adminAPI(t, 0), append(uuids[:len(back):len(back)], "bystander"), 30*time.Second)
}

// TestCallbacksOutliveLogic: the process that sends callbacks is killed while the business system is down; another one
// sends them when it is back, each exactly once.
func TestCallbacksOutliveLogic(t *testing.T) {
	const clients = 30
	b := startBusiness(t)
	d, redis := callbackDeployment(t, b, 1)
	b.status.Store(503)
	var uuids []string
	for i := range clients {
		uuid := fmt.Sprintf("l%d", i)
		uuids = append(uuids, uuid)
		c := d.connect(t, 0, uuid)
		if i%2 == 0 {
			_ = c.Close()
		} else {
			_ = c.WriteText("41" + d.namespace.name + ",")
		}
	}
	eventually(t, 30*time.Second, "attempts", func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.tries < clients {
			return fmt.Errorf("%d attempts", b.tries)
		}
		return nil
	})
	d.procs[0].kill()
	d.connectorProcess(0).terminate() // callbacks need no connector either
	b.status.Store(200)
	d.apis[0] = d.startRole(t, "logic", 1, redis, shortLease)
	b.waitGone(d.adminAPI(t, 0), uuids, 90*time.Second)
}
