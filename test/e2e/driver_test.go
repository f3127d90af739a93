//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// eventTimeout bounds every wait for something a client should see.
const eventTimeout = 20 * time.Second

// driver is a process that runs official clients: clients/driver.js or clients/driver.py.
//
// Commands, one JSON object per line on its stdin (c names the client):
//
//	{"op":"open","c":"a","lib":"v4","url":"http://…","namespace":"/demo","opts":{…},"onConnect":[emit…],"pushAck":"event"}
//	{"op":"emit","c":"a","event":"joinRoom","args":[["news"]],"ack":"tag"}     ack: report the answer under this tag
//	{"op":"transport","c":"a"}                                                 report the current transport
//	{"op":"close","c":"a"}
//
// opts are the client's own options (transports, query, auth, path). pushAck says how a push is acknowledged:
// "event" emits ackPush, twice as a careful application may, "native" calls the callback argument, "" not at all.
//
// Reports, one JSON object per line on its stdout: ready; connect (transport, recovered) and transport; upgrade (transport);
// event (name, args, canAck); ack (tag, args); connect_error and error (message); disconnect (reason).
type driver struct {
	proc *process

	mu      sync.Mutex
	events  map[string][]report // per client, not yet taken
	changed chan struct{}       // closed and replaced with every report
}

// report is one line of a driver.
type report struct {
	C         string            `json:"c"`
	Ev        string            `json:"ev"`
	Name      string            `json:"name"`
	Args      []json.RawMessage `json:"args"`
	CanAck    bool              `json:"canAck"`
	Tag       string            `json:"tag"`
	Transport string            `json:"transport"`
	Reason    string            `json:"reason"`
	Message   string            `json:"message"`
	Recovered bool              `json:"recovered"`
}

func (r report) String() string {
	args := make([]string, len(r.Args))
	for i, a := range r.Args {
		args[i] = string(a)
	}
	return strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s %s %s %s",
		r.Ev, r.Name, r.Tag, r.Transport, r.Reason, r.Message, strings.Join(args, " "))), " ")
}

// emission is an event a client emits.
type emission struct {
	Event string `json:"event"`
	Args  []any  `json:"args"`
	Ack   string `json:"ack,omitempty"`
}

// openCommand opens a client.
type openCommand struct {
	C         string         `json:"c"`
	Lib       string         `json:"lib"` // v2, v3, v4; ignored by driver.py
	URL       string         `json:"url"`
	Namespace string         `json:"namespace"`
	Opts      map[string]any `json:"opts"`
	OnConnect []emission     `json:"onConnect,omitempty"`
	PushAck   string         `json:"pushAck,omitempty"`
	// OfflineAck says in the same words how an offlineMessage is acknowledged: "event" emits one ackPush per message.
	OfflineAck string `json:"offlineAck,omitempty"`
}

// startNode starts the JavaScript clients.
func startNode(t testing.TB) *driver {
	return startDriver(t, "node clients", need(t, "node"), absolute(t, "clients/driver.js"))
}

// startPython starts the Python client; the Debian packages are bound to the system's interpreter.
func startPython(t testing.TB) *driver {
	return startDriver(t, "python client", need(t, "/usr/bin/python3"), "-u", absolute(t, "clients/driver.py"))
}

func startDriver(t testing.TB, name, program string, args ...string) *driver {
	t.Helper()
	d := &driver{events: map[string][]report{}, changed: make(chan struct{})}
	d.proc = startPiped(t, name, d.receive, program, args...)
	d.take(t, "", "ready", func(r report) bool { return r.Ev == "ready" })
	return d
}

// receive stores one line of the driver.
func (d *driver) receive(line string) {
	var r report
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		r = report{Ev: "garbage", Message: line}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events[r.C] = append(d.events[r.C], r)
	close(d.changed)
	d.changed = make(chan struct{})
}

func (d *driver) send(t testing.TB, op string, command any) {
	t.Helper()
	data, err := json.Marshal(command)
	if err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprintf(`{"op":%q,%s`+"\n", op, data[1:])
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := io.WriteString(d.proc.stdin, line); err != nil {
		t.Fatalf("%s: %v; stderr:\n%s", d.proc.name, err, tail(d.proc.log()))
	}
}

func (d *driver) open(t testing.TB, cmd openCommand) { t.Helper(); d.send(t, "open", cmd) }

func (d *driver) emit(t testing.TB, c string, e emission) {
	t.Helper()
	d.send(t, "emit", struct {
		C string `json:"c"`
		emission
	}{c, e})
}

func (d *driver) close(t testing.TB, c string) {
	t.Helper()
	d.send(t, "close", map[string]string{"c": c})
}

// take waits for the first report of a client that matches and removes it; the others stay.
func (d *driver) take(t testing.TB, c, what string, match func(report) bool) report {
	t.Helper()
	deadline := time.After(eventTimeout)
	for {
		r, changed, ok := d.pick(c, match)
		if ok {
			return r
		}
		select {
		case <-changed:
		case <-d.proc.done:
			t.Fatalf("%s ended while %s waited for %s; stderr:\n%s", d.proc.name, c, what, tail(d.proc.log()))
		case <-deadline:
			t.Fatalf("client %s did not see %s within %s; it saw %v", c, what, eventTimeout, d.seen(c))
		}
	}
}

func (d *driver) pick(c string, match func(report) bool) (report, <-chan struct{}, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, r := range d.events[c] {
		if match(r) {
			d.events[c] = append(d.events[c][:i:i], d.events[c][i+1:]...)
			return r, d.changed, true
		}
	}
	return report{}, d.changed, false
}

// seen returns the reports of a client nobody has taken.
func (d *driver) seen(c string) []report {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]report(nil), d.events[c]...)
}

func (d *driver) takeKind(t testing.TB, c, kind string) report {
	t.Helper()
	return d.take(t, c, kind, func(r report) bool { return r.Ev == kind })
}

func (d *driver) takeEvent(t testing.TB, c, name string) report {
	t.Helper()
	return d.take(t, c, "event "+name, func(r report) bool { return r.Ev == "event" && r.Name == name })
}

// takeAck waits for the answer to an emission and decodes its only argument.
func (d *driver) takeAck(t testing.TB, c, tag string) ackAnswer {
	t.Helper()
	r := d.take(t, c, "ack "+tag, func(r report) bool { return r.Ev == "ack" && r.Tag == tag })
	var a ackAnswer
	if len(r.Args) != 1 {
		t.Fatalf("client %s: ack %s has %d arguments: %v", c, tag, len(r.Args), r)
	}
	if err := json.Unmarshal(r.Args[0], &a); err != nil {
		t.Fatalf("client %s: ack %s: %v: %v", c, tag, err, r)
	}
	return a
}

// ackAnswer is the {status,msg} object the server acknowledges events with.
type ackAnswer struct {
	Status int
	Msg    string
	ID     int64
}

// wantOK takes the answer to an emission and wants {status:200,msg:"ok"}.
func (d *driver) wantOK(t testing.TB, c, tag string) ackAnswer {
	t.Helper()
	a := d.takeAck(t, c, tag)
	if a.Status != 200 || a.Msg != "ok" {
		t.Fatalf("client %s: %s answered %+v", c, tag, a)
	}
	return a
}

// connected waits for connect and ok, and wants the client id in ok.
func (d *driver) connected(t testing.TB, c, wantClientID string) (transport string) {
	t.Helper()
	transport = d.connectedOrRefused(t, c)
	var ok struct{ ClientID string }
	if args := d.takeEvent(t, c, "ok").Args; len(args) != 1 || json.Unmarshal(args[0], &ok) != nil || ok.ClientID != wantClientID {
		t.Fatalf("client %s: ok carries %s, want clientId %s", c, args, wantClientID)
	}
	return transport
}

// connectedOrRefused waits for connect; a refusal ends the test at once instead of after the time limit.
func (d *driver) connectedOrRefused(t testing.TB, c string) (transport string) {
	t.Helper()
	r := d.take(t, c, "connect", func(r report) bool {
		return r.Ev == "connect" || r.Ev == "connect_error" || r.Ev == "error"
	})
	if r.Ev != "connect" {
		t.Fatalf("client %s: %v", c, r)
	}
	return r.Transport
}

// transport asks a client for its current transport.
func (d *driver) transport(t testing.TB, c string) string {
	t.Helper()
	d.send(t, "transport", map[string]string{"c": c})
	return d.takeKind(t, c, "transport").Transport
}
