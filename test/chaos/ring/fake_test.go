package ring

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/lightpush/lightpush/test/chaos/plan"
)

// fake is a push service in one process that keeps its promises, but for what bend does. It knows no recovery: every
// connection is a new session.
type fake struct {
	server *httptest.Server
	// bend says how often a device gets a message that is for it; nil is once. Called under mu.
	bend func(p fakePush, to *fakeDevice) (copies int)
	// leak sends a message to a connected device it is not for; nil is never. Called under mu.
	leak func(p fakePush, to *fakeDevice) bool

	mu      sync.Mutex
	lastID  int64
	devices map[string]*fakeDevice
	notify  func(token string, marker int64)
}

// fakeDevice outlives its connections. Guarded by fake.mu.
type fakeDevice struct {
	id, namespace, platform string
	token                   string
	conn                    net.Conn // nil while it is away
	rooms                   map[string]bool
	members                 map[string]bool // rooms it has ever joined and not left
	inbox                   []fakeMessage
}

// fakePush is what an accepted request asked for.
type fakePush struct {
	marker        int64
	ns, room      string
	except        string
	leave         bool
	refused, dead bool // answered with an error; of a short life
}

type fakeMessage struct {
	ID       int64           `json:"id"`
	Room     string          `json:"room"`
	PushData json.RawMessage `json:"pushData"`
}

func startFake(t *testing.T) *fake {
	f := &fake{devices: map[string]*fakeDevice{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/socket.io/", f.socket)
	mux.HandleFunc("/api/auth/push", f.push)
	f.server = httptest.NewServer(mux)
	t.Cleanup(func() {
		f.mu.Lock()
		for _, d := range f.devices {
			if d.conn != nil {
				_ = d.conn.Close()
			}
		}
		f.mu.Unlock()
		f.server.Close()
	})
	return f
}

func (f *fake) Sockets() []string                      { return []string{strings.TrimPrefix(f.server.URL, "http://")} }
func (f *fake) APIs() []string                         { return []string{f.server.URL} }
func (f *fake) Tenants() []Tenant                      { return []Tenant{{"/a", "p"}, {"/b", "p"}} }
func (f *fake) Begin(plan.Fault) (func() error, error) { return func() error { return nil }, nil }
func (f *fake) Idle(context.Context) (bool, string)    { return true, "" }
func (f *fake) Notified(take func(string, int64))      { f.notify = take }

func (f *fake) push(w http.ResponseWriter, r *http.Request) {
	ns, _, _ := r.BasicAuth()
	var body struct {
		Room         string
		PushData     map[string]json.RawMessage
		LeaveMessage bool
		Except       any
		Expire       float64
	}
	if json.NewDecoder(r.Body).Decode(&body) != nil {
		http.Error(w, "bad", http.StatusBadRequest)
		return
	}
	except, ok := body.Except.(string)
	marker, _ := strconv.ParseInt(string(body.PushData["m"]), 10, 64)
	p := fakePush{marker: marker, ns: ns, room: body.Room, except: except, leave: body.LeaveMessage, dead: body.Expire > 0,
		refused: body.Expire > 10 || (body.Except != nil && !ok) || len(body.PushData["apsData"]) > 4000}
	delete(body.PushData, "apsData")
	data, _ := json.Marshal(body.PushData)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lastID++
	m := fakeMessage{f.lastID, body.Room, data}
	for _, d := range f.devices {
		if f.leak != nil && d.conn != nil && f.leak(p, d) {
			d.send("2"+d.namespace+",", []any{"push", m})
			continue
		}
		if p.refused || d.namespace != ns || d.id == except {
			continue
		}
		copies := 1
		if f.bend != nil {
			copies = f.bend(p, d)
		}
		for range copies {
			f.deliver(d, m, p)
		}
	}
	if p.refused {
		http.Error(w, `{"code": 9999,"msg": "no"}`, http.StatusBadRequest)
		return
	}
	_, _ = fmt.Fprintf(w, `{"id":%d}`, m.ID)
}

func (f *fake) deliver(d *fakeDevice, m fakeMessage, p fakePush) {
	if d.conn != nil && d.rooms[m.Room] {
		d.send("2"+d.namespace+",", []any{"push", m})
	}
	if !p.leave || p.dead || !d.members[m.Room] {
		return
	}
	switch d.platform {
	case "android":
		d.inbox = append(d.inbox, m)
	case "ios":
		if d.token != "" {
			f.notify(d.token, p.marker)
		}
	}
}

// send writes a packet; a device that does not read is not waited for long.
func (d *fakeDevice) send(head string, args any) {
	data, _ := json.Marshal(args)
	_ = d.conn.SetWriteDeadline(time.Now().Add(time.Second))
	_ = wsutil.WriteServerText(d.conn, []byte("4"+head+string(data)))
}

func (f *fake) socket(w http.ResponseWriter, r *http.Request) {
	conn, _, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	if wsutil.WriteServerText(conn, []byte(`0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000}`)) != nil {
		return
	}
	q := r.URL.Query()
	var d *fakeDevice
	for {
		data, err := wsutil.ReadClientText(conn)
		text := string(data)
		switch {
		case err != nil:
			f.gone(d, conn)
			return
		case text == "2":
			f.mu.Lock()
			_ = wsutil.WriteServerText(conn, []byte("3"))
			f.mu.Unlock()
		case strings.HasPrefix(text, "40/"):
			ns, _, _ := strings.Cut(text[2:], ",")
			d = f.enter(conn, ns, q.Get("userid"), q.Get("platform"), q.Get("uuid"))
		case strings.HasPrefix(text, "42") && d != nil:
			f.event(d, text)
		}
	}
}

func (f *fake) gone(d *fakeDevice, conn net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d != nil && d.conn == conn {
		d.conn = nil
	}
}

func (f *fake) enter(conn net.Conn, ns, user, platform, uuid string) *fakeDevice {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := ns + "#" + user + "#" + platform + "-" + uuid
	d := f.devices[id]
	if d == nil {
		d = &fakeDevice{id: id, namespace: ns, platform: platform, members: map[string]bool{}}
		f.devices[id] = d
	}
	if d.conn != nil {
		_ = d.conn.Close()
	}
	d.conn, d.rooms = conn, map[string]bool{"user_" + user: true}
	d.members["user_"+user] = true
	d.send("0"+ns+",", map[string]string{"sid": "x"})
	if len(d.inbox) > 0 {
		d.send("2"+ns+",", []any{"offlineMessage", d.inbox})
	}
	return d
}

// event handles 42/ns,<id>["name",arg].
func (f *fake) event(d *fakeDevice, text string) {
	head, data, _ := strings.Cut(text, "[")
	_, ack, _ := strings.Cut(head, ",")
	var args []json.RawMessage
	if json.Unmarshal([]byte("["+data), &args) != nil || len(args) < 2 {
		return
	}
	var rooms []string
	_ = json.Unmarshal(args[1], &rooms)
	var fields struct {
		ID    int64
		Token string `json:"device_token"`
	}
	_ = json.Unmarshal(args[1], &fields)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch string(args[0]) {
	case `"joinRoom"`:
		for _, r := range rooms {
			d.rooms[r], d.members[r] = true, true
		}
	case `"leaveRoom"`:
		for _, r := range rooms {
			delete(d.rooms, r)
			delete(d.members, r)
		}
	case `"info"`:
		d.token = fields.Token
	case `"ackPush"`:
		for i, m := range d.inbox {
			if m.ID == fields.ID {
				d.inbox = append(d.inbox[:i:i], d.inbox[i+1:]...)
				break
			}
		}
	}
	if ack != "" && d.conn != nil {
		d.send("3"+d.namespace+","+ack, []any{map[string]any{"status": 200, "msg": "ok"}})
	}
}
