package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/lightpush/lightpush/internal/simulator/wire"
)

// phase of a client on its way to being ready.
type phase uint8

const (
	away       phase = iota // not connected
	dialing                 // no handshake yet
	probing                 // on its way from polling to WebSocket
	connecting              // CONNECT is sent
	greeted                 // CONNECT is answered, the event ok is awaited
	entering                // joinRoom is sent
	ready
)

// waitsFor says in a failure what has not come.
var waitsFor = [...]string{
	dialing: "no answer to the handshake", probing: "no answer to the upgrade", connecting: "no answer to CONNECT",
	greeted: "no event ok", entering: "no ack of joinRoom",
}

// attemptsMax is how often a client tries before it gives up.
const attemptsMax = 3

// roomsPerJoin is how many rooms one joinRoom names; servers refuse more.
const roomsPerJoin = 100

// client is one device. It belongs to the loop of its shard.
type client struct {
	s      *shard
	device int32
	life   uint32 // counts connections; timers of earlier ones are void
	id     identity
	phase  phase
	failed uint8 // attempts since it was last ready
	known  bool  // has been ready, or has given up: counted in settled

	ears    ears
	started int64 // of this attempt
	heard   int64 // the last packet
	beat    time.Duration
	grace   time.Duration // beat and the server's patience
	acks    []recentAck
	entered int // members whose rooms have been joined or asked for

	ws  *webSocket
	old *polling // until an upgrade is complete, or for good
}

// connect begins an attempt.
func (c *client) connect() {
	c.life++
	c.phase, c.started, c.entered = dialing, c.s.loop.Now(), 0
	c.heard = c.started
	c.ears.forget()
	c.s.underway++
	c.s.tally.Attempts++
	c.s.after(c, c.s.plan.cfg.ConnectTimeout, timerConnect)
	if c.id.transport == overWebSocket {
		c.openWebSocket("")
		return
	}
	c.old = &polling{c: c}
	c.old.receive()
}

func (c *client) openWebSocket(sid string) {
	c.ws = &webSocket{c: c, sid: sid}
	conn, err := c.s.dial(c, c.ws)
	if err != nil {
		c.fail(reason(err))
		return
	}
	c.ws.conn = conn
}

// query is what stands behind the path.
func (c *client) query(transport, sid string) string {
	eio := "4"
	if c.id.v3 {
		eio = "3"
	}
	q := "?EIO=" + eio + "&transport=" + transport
	if sid != "" {
		q += "&sid=" + url.QueryEscape(sid)
	}
	return q + "&" + c.credentials()
}

func (c *client) credentials() string {
	return "uuid=" + url.QueryEscape(c.s.plan.uuid(c.device)) + "&platform=" + c.id.platform
}

// send writes one Engine.IO packet on the transport of the moment.
func (c *client) send(packet string) {
	switch {
	case c.ws != nil && c.phase != probing:
		c.ws.text(packet)
	case c.old != nil:
		c.old.send(packet)
	}
}

// onPacket handles one Engine.IO packet.
func (c *client) onPacket(p []byte) {
	c.heard = c.s.loop.Now()
	switch m := wire.Parse(p); m.Kind {
	case wire.Open:
		c.onOpen(m.Data)
	case wire.Ping:
		c.send("3" + string(m.Data[:min(len(m.Data), 16)]))
	case wire.Pong:
		if c.phase == probing && string(m.Data) == "probe" {
			c.upgraded()
		}
	case wire.Close:
		c.fail("closed by the server")
	case wire.Connect:
		if c.phase == connecting && string(m.Namespace) == c.s.plan.cfg.Namespace {
			c.phase = greeted
		}
	case wire.ConnectError:
		if string(m.Namespace) == c.s.plan.cfg.Namespace {
			c.refuse(wire.Refusal(m.Data))
		}
	case wire.Disconnect:
		if string(m.Namespace) == c.s.plan.cfg.Namespace && c.phase > connecting {
			c.fail("disconnected by the server")
		}
	case wire.Event:
		c.onEvent(m)
	case wire.Ack:
		c.onAck(m)
	}
}

func (c *client) onOpen(data []byte) {
	h, ok := wire.ParseHandshake(data)
	if !ok || c.phase != dialing {
		c.fail("broken handshake")
		return
	}
	c.beat = min(max(time.Duration(h.PingInterval)*time.Millisecond, 10*time.Millisecond), time.Hour)
	c.grace = c.beat + min(max(time.Duration(h.PingTimeout)*time.Millisecond, 10*time.Millisecond), time.Hour)
	if c.old != nil {
		c.old.sid = h.SID
		if c.id.transport == overUpgrade {
			c.phase = probing
			c.openWebSocket(h.SID)
			return
		}
	}
	c.join()
}

// upgraded follows the answer to the probe.
func (c *client) upgraded() {
	c.phase = dialing
	c.old.close(false)
	c.old = nil
	c.send("5")
	c.join()
}

// join asks for the namespace.
func (c *client) join() {
	c.phase = connecting
	if c.id.v3 {
		c.send("40" + c.s.plan.cfg.Namespace + "?" + c.credentials() + ",")
	} else {
		c.send("40" + c.s.plan.cfg.Namespace + ",")
	}
	beat := c.grace
	if c.id.v3 {
		beat = c.beat
	}
	c.s.after(c, beat, timerBeat)
}

func (c *client) onEvent(m wire.Packet) {
	if string(m.Namespace) != c.s.plan.cfg.Namespace {
		return
	}
	switch string(wire.EventName(m.Data)) {
	case "push":
		if c.phase > connecting {
			c.s.heardPush(c, m.Data)
		}
	case "ok":
		if c.phase == greeted {
			c.phase = entering
			c.enter()
		}
	case "offlineMessage":
		c.s.tally.Offline++
	}
}

// enter joins the next rooms, or is ready.
func (c *client) enter() {
	var rooms []string
	for c.entered < len(c.ears.members) && len(rooms) < roomsPerJoin {
		if stream := c.ears.members[c.entered].stream; stream < c.s.plan.users {
			if room := c.s.plan.room(stream); len(rooms) == 0 || rooms[len(rooms)-1] != room {
				rooms = append(rooms, room)
			}
		}
		c.entered++
	}
	if len(rooms) == 0 {
		c.complete()
		return
	}
	list, _ := json.Marshal(rooms) // strings always marshal
	c.send("42" + c.s.plan.cfg.Namespace + "," + strconv.Itoa(c.entered) + `["joinRoom",` + string(list) + "]")
}

func (c *client) onAck(m wire.Packet) {
	if c.phase != entering || m.ID != int64(c.entered) || string(m.Namespace) != c.s.plan.cfg.Namespace {
		return
	}
	var answers []struct {
		Status int
		Msg    string
	}
	if err := json.Unmarshal(m.Data, &answers); err != nil || len(answers) == 0 || answers[0].Status != 200 {
		text := "joinRoom is refused: " + clip(string(m.Data))
		if len(answers) > 0 {
			text = fmt.Sprintf("joinRoom is refused: %d %s", answers[0].Status, clip(answers[0].Msg))
		}
		c.fail(text)
		return
	}
	c.enter()
}

// complete ends the connect: from here on nothing may be missed.
func (c *client) complete() {
	c.phase, c.failed = ready, 0
	c.s.underway--
	c.s.ready++
	c.settle()
	c.s.tally.Connects++
	c.s.tally.Connect.Record(time.Duration(c.s.loop.Now() - c.started))
	if c.s.remote {
		c.ears.since = -1
		c.s.marks = append(c.s.marks, joining{c, c.life})
		return
	}
	c.ears.since = c.s.journal.len()
}

// settle counts the client once as one that need not be waited for.
func (c *client) settle() {
	if !c.known {
		c.known = true
		c.s.settled++
		c.s.settledAt = c.s.loop.Now() + c.s.skew
	}
}

func (c *client) ackLater(id int64, m mark) {
	span := c.s.plan.cfg.AckDelay
	if span.Max == 0 {
		c.ack(id, m)
		return
	}
	d := span.Min
	if span.Max > span.Min {
		d += time.Duration(c.s.random.Int64N(int64(span.Max - span.Min + 1)))
	}
	c.s.timers.push(timer{at: c.s.loop.Now() + int64(d), c: c, life: c.life, kind: timerAck, arg: id, mark: m})
}

// recentAck is a sampled ack that the server may not have read yet.
type recentAck struct {
	mark mark
	at   int64
}

// ackFlight is how long an ack may be on its way.
const ackFlight = 2 * time.Second

func (c *client) ack(id int64, m mark) {
	c.s.tally.Acks++
	if c.s.plan.sampled(m.Stream, m.Seq) {
		c.s.tally.sample(m, heard{Acked: 1})
		now := c.s.loop.Now()
		c.acks = slices.DeleteFunc(c.acks, func(a recentAck) bool { return now-a.at > int64(ackFlight) })
		c.acks = append(c.acks, recentAck{m, now})
	}
	c.send("42" + c.s.plan.cfg.Namespace + `,["ackPush",{"id":` + strconv.FormatInt(id, 10) + "}]")
}

func (c *client) onTimer(t timer) {
	switch t.kind {
	case timerConnect:
		if c.phase != away && c.phase != ready {
			c.fail(waitsFor[c.phase])
		}
	case timerReopen:
		if c.phase == away {
			c.connect()
		}
	case timerBeat:
		c.onBeat()
	case timerAck:
		c.ack(t.arg, t.mark)
	case timerResume:
		if c.ws != nil && c.ws.conn != nil {
			c.ws.conn.Resume()
		}
	}
}

// onBeat is the heartbeat: generation 3 pings, both notice silence.
func (c *client) onBeat() {
	silent := time.Duration(c.s.loop.Now() - c.heard)
	if silent > c.grace && !c.id.slow {
		c.fail("ping timeout: the server was silent")
		return
	}
	if c.id.v3 {
		c.send("2")
		c.s.after(c, c.beat, timerBeat)
		return
	}
	c.s.after(c, max(c.grace-silent, time.Millisecond)+time.Millisecond, timerBeat)
}

// refuse ends a client the server does not want; it does not come back.
func (c *client) refuse(text string) {
	c.failed = attemptsMax
	c.fail("refused: " + clip(text))
}

// fail ends the connection for a reason of the server or the network.
func (c *client) fail(why string) {
	switch c.phase {
	case away:
		return
	case ready:
		count(&c.s.tally.Drops, why, 1)
	default:
		count(&c.s.tally.Failures, why, 1)
		c.failed = min(c.failed+1, attemptsMax)
	}
	c.end(true)
	if c.failed >= attemptsMax {
		c.s.tally.GivenUp++
		c.settle()
		return
	}
	c.s.after(c, c.s.delay(int(c.failed)), timerReopen)
}

// cut drops the connection as a lost network would.
func (c *client) cut() {
	c.end(true)
	c.s.after(c, c.s.delay(1), timerReopen)
}

// leave says goodbye.
func (c *client) leave() {
	c.send("41" + c.s.plan.cfg.Namespace + ",")
	c.end(false)
	c.s.after(c, c.s.delay(1), timerReopen)
}

// end forgets the connection; it may be called in any phase.
func (c *client) end(reset bool) {
	if c.phase == ready {
		c.s.ready--
		c.s.keep(c)
	} else if c.phase != away {
		c.s.underway--
	}
	c.phase = away
	c.life++
	if reset || c.old != nil { // what was sent just now may be lost with the connection, and is not the server's fault
		for _, a := range c.acks {
			if c.s.loop.Now()-a.at <= int64(ackFlight) {
				c.s.tally.sample(a.mark, heard{Acked: -1})
			}
		}
	}
	c.acks = nil
	if c.ws != nil {
		c.ws.close(reset)
		c.ws = nil
	}
	if c.old != nil {
		c.old.close(reset)
		c.old = nil
	}
}

var errUpgrade = errors.New("the server does not speak WebSocket here")
