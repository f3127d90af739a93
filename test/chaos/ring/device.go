package ring

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lightpush/lightpush/test/chaos/ledger"
	"github.com/lightpush/lightpush/test/e2e/wsclient"
)

// manner is how a device confirms what it gets.
type manner int

const (
	byEvent  manner = iota // ackPush, one by one
	byNative               // the ack of the event
	never                  // it confirms nothing
)

// temper is how long a device stays and stays away, on average. 0 stays for good.
type temper struct{ stay, away time.Duration }

var tempers = []temper{
	{0, 0}, {0, 0}, {0, 0}, // stays until something breaks
	{25 * time.Second, 8 * time.Second}, {25 * time.Second, 8 * time.Second}, {15 * time.Second, 15 * time.Second},
	{6 * time.Second, 40 * time.Second}, // mostly away
}

// device is one client that comes and goes. Its goroutine is run; every connection has a reader goroutine of its own.
type device struct {
	fleet  *fleet
	rec    *ledger.Record
	spec   ledger.Device
	uuid   string
	token  string // iOS
	manner manner
	temper temper
	rng    *rand.Rand
	again  chan struct{} // of capacity 1: reconnect, once everything is quiet

	ready atomic.Bool // connected, its rooms joined

	// Owned by run between connections, by the reader while there is one.
	pid, offset string
	// Owned by run.
	rooms     []string
	confirmed bool // the token

	mu      sync.Mutex
	pending map[int]chan json.RawMessage // answers waited for
	nextAck int
}

// ends of a connection, from the device's view.
type ending struct {
	how     string
	forGood bool          // the session is given up
	away    time.Duration // before it comes back
	own     bool          // it left by itself
}

// run connects, lives and comes back until ctx ends.
func (d *device) run(ctx context.Context) {
	if !pause(ctx, time.Duration(d.rng.Int64N(int64(2*time.Second)))) {
		return
	}
	for fails := 0; ctx.Err() == nil; {
		up, e := d.connection(ctx)
		d.ready.Store(false)
		d.rec.Gone(d.fleet.now(), e.how, e.forGood)
		if e.forGood {
			d.pid, d.offset = "", ""
		}
		fails++
		if up {
			fails = 0
		}
		wait := e.away
		if !e.own {
			// The back-off of a client library: 200 ms, doubling to 2 s, with jitter.
			base := min(200*time.Millisecond<<min(fails, 4), 2*time.Second)
			wait = time.Duration((0.5 + d.rng.Float64()) * float64(base))
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		case <-d.fleet.staying: // everybody comes back now
			if !pause(ctx, min(wait, 2*time.Second)) {
				return
			}
		}
	}
}

// link is a connection with its reader.
type link struct {
	*wire
	connected chan bool     // gets one value: whether the session was continued
	done      chan struct{} // closed when the reader has ended
	err       error         // of the reader, valid after done
}

// connection is one connection from the attempt to its end; up reports that it was good for something.
func (d *device) connection(ctx context.Context) (up bool, e ending) {
	d.rec.Connecting(d.fleet.now())
	dial, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	query := url.Values{"uuid": {d.uuid}, "userid": {d.spec.User}, "platform": {d.spec.Platform}}
	var auth map[string]string
	offered := d.pid
	if offered != "" {
		auth = map[string]string{"pid": d.pid, "offset": d.offset}
	}
	w, err := openWire(dial, d.fleet.balancer.addr(), d.spec.EIO, d.spec.Namespace, query, auth)
	if err != nil {
		return false, ending{how: "no connection: " + err.Error()}
	}
	local := w.LocalAddr().String()
	d.fleet.connected(local, d)
	defer d.fleet.disconnected(local)
	d.mu.Lock()
	d.pending = map[int]chan json.RawMessage{}
	d.mu.Unlock()
	k := &link{wire: w, connected: make(chan bool, 1), done: make(chan struct{})}
	go func() {
		defer close(k.done)
		k.err = d.read(k, offered)
	}()
	e = d.live(ctx, k)
	_ = w.Close()
	<-k.done
	return d.ready.Load(), e
}

// live does what the device does while it is connected.
func (d *device) live(ctx context.Context, k *link) ending {
	select {
	case <-ctx.Done():
		return endOfRun
	case <-k.done:
		return d.lost(k.err)
	case continued := <-k.connected:
		if !continued && !d.enter(ctx, k) {
			select {
			case <-ctx.Done():
				return endOfRun
			case <-k.done:
				return d.lost(k.err)
			}
		}
	}
	d.ready.Store(true)
	ping := time.NewTicker(k.ping)
	defer ping.Stop()
	move := time.NewTimer(d.exp(30 * time.Second))
	defer move.Stop()
	leave := time.NewTimer(forever)
	defer leave.Stop()
	if d.temper.stay > 0 {
		leave.Reset(d.exp(d.temper.stay))
	}
	staying := d.fleet.staying
	for {
		select {
		case <-ctx.Done():
			return endOfRun
		case <-k.done:
			return d.lost(k.err)
		case <-ping.C:
			if d.spec.EIO == 3 {
				_ = k.WriteText("2")
			}
		case <-staying:
			staying = nil
			leave.Reset(forever)
			move.Reset(forever)
		case <-d.again:
			d.rec.Settled(d.fleet.now(), !d.spec.Recovers)
			return ending{own: true, forGood: !d.spec.Recovers}
		case <-move.C:
			d.move(ctx, k)
			move.Reset(d.exp(30 * time.Second))
		case <-leave.C:
			return d.depart(k)
		}
	}
}

const forever = 1000 * time.Hour

var endOfRun = ending{how: "end of the run", own: true, forGood: true}

// lost is the end by somebody else.
func (d *device) lost(err error) ending {
	over := errors.Is(err, errKicked) || errors.Is(err, errRefused) // the server has ended the session
	return ending{how: err.Error(), forGood: over || !d.spec.Recovers}
}

func (d *device) exp(mean time.Duration) time.Duration {
	return min(time.Duration(d.rng.ExpFloat64()*float64(mean))+500*time.Millisecond, 4*mean)
}

// depart ends the connection in one of the ways devices do.
func (d *device) depart(k *link) ending {
	e := ending{own: true, away: d.exp(d.temper.away)}
	switch x := d.rng.Float64(); {
	case x < 0.4:
		e.how, e.forGood = "left", true
		k.bye()
	case x < 0.7:
		e.how = "crashed"
		e.forGood = !d.spec.Recovers || d.rng.IntN(2) == 0 // the application may have lost its state
		reset(k.Conn)
	default:
		// The radio is off: nobody hears a FIN, and what the server writes goes nowhere.
		e.how, e.forGood = "vanished", !d.spec.Recovers
		d.fleet.balancer.swallow(k.LocalAddr().String())
	}
	return e
}

// enter joins the rooms of the device in a new session and tells its token; false when that did not come to an end.
func (d *device) enter(ctx context.Context, k *link) bool {
	for !d.membership(ctx, k, "joinRoom", d.rooms) {
		select {
		case <-k.done:
			return false
		case <-ctx.Done():
			return false
		case <-time.After(500 * time.Millisecond):
		}
	}
	if d.token != "" && !d.confirmed {
		d.rec.TokenIs(d.token)
		if d.request(ctx, k, "info", map[string]string{"device_token": d.token}) == 200 {
			d.confirmed = true
			d.rec.Token(d.fleet.now())
		}
	}
	return true
}

// membership joins or leaves rooms; true when the server has confirmed it.
func (d *device) membership(ctx context.Context, k *link, event string, rooms []string) bool {
	join := event == "joinRoom"
	at := d.fleet.now()
	for _, r := range rooms {
		d.rec.Asked(at, r, join)
	}
	if d.request(ctx, k, event, rooms) != 200 {
		return false
	}
	at = d.fleet.now()
	for _, r := range rooms {
		d.rec.Confirmed(at, r, join)
	}
	return true
}

const roomsMax = 4 // of one device, besides its user's

// move goes to another room, and may leave one for it.
func (d *device) move(ctx context.Context, k *link) {
	to := d.fleet.rooms[d.rng.IntN(len(d.fleet.rooms))]
	if slices.Contains(d.rooms, to) {
		return
	}
	if len(d.rooms) == roomsMax || d.rng.IntN(3) == 0 {
		i := d.rng.IntN(len(d.rooms))
		if !d.membership(ctx, k, "leaveRoom", d.rooms[i:i+1]) {
			return // nobody knows whether it is in; it joins again in its next session
		}
		d.rooms = slices.Delete(d.rooms, i, i+1)
	}
	d.membership(ctx, k, "joinRoom", []string{to})
	d.rooms = append(d.rooms, to)
}

// request emits an event and waits for the status of its answer; 0 is none.
func (d *device) request(ctx context.Context, k *link, event string, arg any) int {
	answer := make(chan json.RawMessage, 1)
	d.mu.Lock()
	id := d.nextAck
	d.nextAck++
	d.pending[id] = answer
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		delete(d.pending, id)
		d.mu.Unlock()
	}()
	if k.emit(id, event, arg) != nil {
		return 0
	}
	select {
	case data := <-answer:
		var parts []struct{ Status int }
		if json.Unmarshal(data, &parts) != nil || len(parts) == 0 {
			return 0
		}
		return parts[0].Status
	case <-time.After(k.silence):
		return 0
	case <-k.done:
		return 0
	case <-ctx.Done():
		return 0
	}
}

var errKicked = errors.New("disconnected by the server")

// read handles packets until the connection ends.
func (d *device) read(k *link, offered string) error {
	up := false
	for {
		p, err := k.next()
		if err != nil {
			return err
		}
		switch p.Type {
		case wsclient.Connect:
			var answer struct{ PID string }
			_ = json.Unmarshal(p.Data, &answer)
			continued := offered != "" && answer.PID == offered
			if d.spec.Recovers {
				if !continued {
					d.offset = ""
				}
				d.pid = answer.PID
			}
			up = true
			d.rec.Connected(d.fleet.now(), continued)
			k.connected <- continued
		case wsclient.Disconnect:
			return errKicked
		case wsclient.Ack:
			d.mu.Lock()
			if c := d.pending[p.ID]; c != nil {
				c <- p.Data
				delete(d.pending, p.ID)
			}
			d.mu.Unlock()
		case wsclient.Event:
			d.event(k, p, up)
		}
	}
}

// delivery is the part of a message that counts, live or from the inbox: there, its id is a text.
type delivery struct {
	ID       json.Number
	PushData struct {
		Marker int64 `json:"m"`
	}
}

// event handles what the server sends; up reports that the CONNECT was answered before.
func (d *device) event(k *link, p wsclient.Packet, up bool) {
	at := d.fleet.now()
	switch p.Name() {
	case "push":
		var m delivery
		if err := p.Arg(0, &m); err != nil {
			d.rec.Note(at, "unreadable push: "+err.Error())
			return
		}
		via := ledger.Live
		if !up {
			via = ledger.Replay
		}
		d.got(at, m, via)
		switch id, _ := m.ID.Int64(); d.manner {
		case byEvent:
			_ = k.emit(-1, "ackPush", map[string]int64{"id": id})
		case byNative:
			if p.ID >= 0 {
				_ = k.answer(p.ID)
			}
		case never:
		}
	case "offlineMessage":
		var inbox []delivery
		if err := p.Arg(0, &inbox); err != nil {
			d.rec.Note(at, "unreadable offlineMessage: "+err.Error())
			return
		}
		d.unread(k, p, at, inbox)
	case "inboxDropped":
		d.rec.Note(at, "inbox dropped: "+string(p.Data))
	default:
		if offset, ok := lastText(p); ok && d.spec.Recovers {
			d.offset = offset
		}
	}
}

// unread takes what the inbox held.
func (d *device) unread(k *link, p wsclient.Packet, at time.Duration, inbox []delivery) {
	for _, m := range inbox {
		d.got(at, m, ledger.Offline)
	}
	switch d.manner {
	case byEvent:
		for _, m := range inbox {
			_ = k.emit(-1, "ackPush", map[string]json.Number{"id": m.ID})
		}
	case byNative:
		if p.ID >= 0 {
			_ = k.answer(p.ID)
		}
	case never:
	}
}

func (d *device) got(at time.Duration, m delivery, via ledger.Via) {
	id, _ := m.ID.Int64()
	d.rec.Got(at, m.PushData.Marker, id, via)
}
