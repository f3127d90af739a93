package embedded

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
)

// epoch is where miniredis' clock stands: lifetimes, which it keeps as durations, are absolute times then.
var epoch = time.Unix(0, 0).UTC()

// engine executes commands on miniredis and finds out what they changed. Every method needs Server.mu.
type engine struct {
	m     *miniredis.Miniredis
	srv   *server.Server
	table *commandTable

	now     int64 // wall clock ms of the command that is executed
	effects recordWriter
	broken  error // an effect that could not be derived; the command's caller gets it

	peer       *server.Peer // executes the commands
	home       *server.Peer // the connection of the package's own commands, and of scripts
	subscribed bool         // the connection whose command runs may be in subscribed mode
	out        *bytes.Buffer

	scripts     *scriptCache
	scriptLimit time.Duration
	lua         *luaState // for the next script; nil when there is none
	answer      []byte    // of the last script

	expiry  *expiryIndex
	lastIDs map[string]streamID // last id of every stream, which survives the deletion of its entries
	ready   func(key string)    // called when a key may have got what somebody waits for

	// moved are keys whose state in a snapshot under way may be wrong; nil while there is none. See snapshotRun.
	moved map[string]struct{}

	// watchEpoch moves when versions of keys are forgotten; a WATCH from before counts as changed.
	watchEpoch int
}

func newEngine(ready func(string)) (*engine, error) {
	m := miniredis.NewMiniRedis()
	conn, err := m.Dial() // the way to start it without a listener
	if err != nil {
		return nil, err
	}
	if err := conn.Close(); err != nil {
		return nil, err
	}
	m.SetTime(epoch)
	e := &engine{
		m: m, srv: m.Server(), out: &bytes.Buffer{}, scripts: newScriptCache(), scriptLimit: scriptTimeLimit,
		expiry: newExpiryIndex(), lastIDs: map[string]streamID{}, ready: ready,
	}
	e.peer = server.NewPeer(bufio.NewWriter(e.out))
	e.table = newCommandTable(e.srv.IsReadOnlyCommand, e.srv.IsRegisteredCommand)
	e.home = e.newConnection(io.Discard)
	return e, nil
}

// newConnection returns the state of a connection. Only connection commands and published messages write to w.
func (e *engine) newConnection(w io.Writer) *server.Peer {
	e.peer.Ctx, e.peer.Resp3 = nil, false
	e.run("PING") // makes miniredis create its part
	conn := server.NewPeer(bufio.NewWriter(w))
	conn.Ctx = e.peer.Ctx
	return conn
}

func (e *engine) close() { e.m.Close() }

// begin starts a command (or a transaction) at that wall clock: effects are collected anew.
func (e *engine) begin(now int64) {
	e.now = now
	e.broken, e.subscribed = nil, false
	e.effects.reset(now)
	e.attach(e.home)
}

// attach makes the following commands run as those of a connection.
func (e *engine) attach(conn *server.Peer) {
	e.peer.Ctx, e.peer.Resp3 = conn.Ctx, conn.Resp3
}

// run executes a command as it is. The reply is valid until the next run.
func (e *engine) run(args ...string) (reply []byte) {
	defer func() {
		if r := recover(); r != nil {
			// miniredis indexes some arguments before it counts them. Nobody else can hold its lock: if it is taken,
			// the command that panicked took it.
			e.m.TryLock()
			e.m.Unlock()
			e.peer.Flush() // what it had answered by then must not come before the next reply
			e.out.Reset()
			reply = panicReply(args, r)
		}
	}()
	e.out.Reset()
	e.srv.Dispatch(e.peer, args)
	e.peer.Flush()
	return e.out.Bytes()
}

// panicReply answers a command miniredis panicked on. It is logged like every failed command: replay panics alike.
func panicReply(args []string, cause any) []byte {
	return errorReply(fmt.Errorf("ERR the embedded store cannot execute this form of %s: %v", strings.ToUpper(args[0]), cause))
}

// execute runs any command that needs neither a connection nor waiting, and collects its effects.
func (e *engine) execute(s *spec, args []string) []byte {
	switch s.kind {
	case kindWrite:
		return e.write(s, args)
	case kindScript:
		return e.script(s, args)
	case kindLoad:
		return e.load(s, args)
	case kindLifetime:
		return e.lifetime(s, args)
	case kindTime:
		return e.time()
	}
	if err := checkRead(s, args); err != nil {
		return errorReply(err)
	}
	return e.atWall(s, func() []byte { return e.run(args...) })
}

// write executes a write in its deterministic form and notes what to log.
func (e *engine) write(s *spec, args []string) []byte {
	form := args
	if s.rewrite != nil {
		var err error
		if form, err = s.rewrite(e, args); err != nil {
			return errorReply(err)
		}
	}
	reply := e.atWall(s, func() []byte { return e.run(form...) })
	if s.isIdle(form, reply) {
		return reply
	}
	if s.stores && string(reply) == zeroReply {
		form = []string{"DEL", args[1]}
		e.run(form...)
		reply = []byte(zeroReply)
	}
	if s.effect != nil {
		effect, err := s.effect(form, reply)
		if err != nil {
			e.broken = fmt.Errorf("effect of %s: %w", s.name, err)
			return errorReply(e.broken)
		}
		form = effect
	}
	e.effects.add(form...)
	e.track(form, reply)
	return reply
}

// atWall sets miniredis' clock to the command's time if the command asks for it.
func (e *engine) atWall(s *spec, run func() []byte) []byte {
	if !s.wall {
		return run()
	}
	e.m.SetTime(time.UnixMilli(e.now).UTC())
	defer e.m.SetTime(epoch)
	return run()
}

// replay executes a record of the log. Commands that failed then fail now.
func (e *engine) replay(rec record) error {
	e.now = rec.time
	e.attach(e.home)
	for _, args := range rec.commands {
		if args[0] == lastIDCommand {
			e.replayLastID(args)
			continue
		}
		s := e.table.lookup(args[0])
		switch {
		case s != nil && s.kind == kindLoad:
			e.replayLoad(args)
		case s != nil && s.kind == kindWrite:
			e.track(args, e.atWall(s, func() []byte { return e.run(args...) }))
		default:
			return fmt.Errorf("%w: it holds the command %q", ErrVersion, args[0])
		}
	}
	return nil
}

// lastIDCommand is a command of the log alone: the last id of a stream whose last entry is gone.
const lastIDCommand = "LASTID"

func (e *engine) replayLastID(args []string) {
	if len(args) == 3 {
		if id, err := parseStreamID(args[2]); err == nil {
			e.lastIDs[args[1]] = id
		}
	}
}

// track keeps the indexes beside miniredis up to date and wakes those who wait for data. args is a deterministic form.
func (e *engine) track(args []string, reply []byte) {
	if e.moved != nil {
		e.noteMoved(args)
	}
	if len(reply) == 0 || reply[0] == '-' {
		return
	}
	name := strings.ToUpper(args[0])
	switch name {
	case "PEXPIREAT", "SET", "GETEX":
		e.trackDeadline(name, args)
	case "DEL", "UNLINK", "GETDEL":
		for _, key := range args[1:] {
			e.forget(key)
		}
	case "RENAME", "RENAMENX":
		if args[1] == args[2] {
			break
		}
		e.expiry.copyTo(args[1], args[2])
		if id, ok := e.lastIDs[args[1]]; ok {
			e.lastIDs[args[2]] = id
		}
		e.forget(args[1])
	case "FLUSHDB", "FLUSHALL":
		e.expiry = newExpiryIndex()
		clear(e.lastIDs)
	case "XADD":
		if text, err := parseBulk(reply); err == nil {
			if id, err := parseStreamID(text); err == nil {
				e.lastIDs[args[1]] = id
			}
		}
	}
	if s := e.table.byName[name]; s != nil && s.wakes > 0 && s.wakes < len(args) {
		e.ready(args[s.wakes])
	}
}

// noteMoved keeps the keys of a command that a snapshot under way may not bring to the right state, also when it has
// failed: it may succeed where a key is not there yet. Arguments that are no keys do no harm.
func (e *engine) noteMoved(args []string) {
	if s := e.table.byName[strings.ToUpper(args[0])]; s != nil && s.joins {
		for _, arg := range args[1:] {
			e.moved[arg] = struct{}{}
		}
	}
}

func (e *engine) trackDeadline(name string, args []string) {
	value := ""
	if name == "PEXPIREAT" {
		value = args[2]
	} else {
		for i := 2; i+1 < len(args); i++ {
			if args[i] == "PXAT" && (name == "GETEX" || i > 2) {
				value = args[i+1]
			}
		}
	}
	if at, err := strconv.ParseInt(value, 10, 64); err == nil && at > 0 {
		e.expiry.note(args[1], at)
	}
}

func (e *engine) forget(key string) {
	e.expiry.forget(key)
	delete(e.lastIDs, key)
}

// expireDue deletes the keys whose time has come, as effects of their own.
func (e *engine) expireDue() {
	for {
		key, ok := e.expiry.popDue(e.now)
		if !ok {
			return
		}
		at, err := parseInt(e.run("PEXPIRETIME", key))
		switch {
		case err != nil || at < 0: // gone, or made persistent
		case at > e.now:
			e.expiry.note(key, at)
		default:
			e.run("DEL", key)
			e.forget(key)
			e.effects.add("DEL", key)
		}
	}
}

// nextStreamID is the id XADD * gives: the time, or the successor of the last id if the time is not beyond it.
func (e *engine) nextStreamID(key string) streamID {
	id := streamID{ms: uint64(max(e.now, 1))}
	if last, ok := e.lastIDs[key]; ok && !last.less(id) {
		id = streamID{ms: last.ms, seq: last.seq + 1}
	}
	return id
}

// lifetime answers TTL and PTTL, whose absolute counterpart miniredis knows.
func (e *engine) lifetime(s *spec, args []string) []byte {
	if len(args) != 2 {
		return e.run(args...)
	}
	at, err := parseInt(e.run("PEXPIRETIME", args[1]))
	if err != nil {
		return errorReply(err)
	}
	if at >= 0 {
		at = max(at-e.now, 0)
		if s.name == "TTL" {
			at = (at + 500) / 1000
		}
	}
	return intReply(at)
}

func (e *engine) time() []byte {
	sec, micro := strconv.FormatInt(e.now/1000, 10), strconv.FormatInt(e.now%1000*1000, 10)
	return fmt.Appendf(nil, "*2\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(sec), sec, len(micro), micro)
}

// checkRead refuses reads in form that are writes in fact.
func checkRead(s *spec, args []string) error {
	if s.name == "GEORADIUS" || s.name == "GEORADIUSBYMEMBER" {
		if hasOption(args, 2, "STORE") || hasOption(args, 2, "STOREDIST") {
			return errRefused(s.name + " with STORE")
		}
	}
	return nil
}

func errRefused(name string) error {
	return fmt.Errorf("ERR the embedded store does not support %s", name)
}

func errorReply(err error) []byte {
	text := strings.NewReplacer("\r", " ", "\n", " ").Replace(err.Error())
	return append(append([]byte{'-'}, text...), '\r', '\n')
}

func intReply(v int64) []byte {
	return append(strconv.AppendInt([]byte{':'}, v, 10), '\r', '\n')
}

func parseInt(reply []byte) (int64, error) {
	if len(reply) < 4 || reply[0] != ':' {
		if len(reply) > 3 && reply[0] == '-' {
			return 0, errors.New(string(reply[1 : len(reply)-2]))
		}
		return 0, fmt.Errorf("ERR unexpected reply %q", reply)
	}
	return strconv.ParseInt(string(reply[1:len(reply)-2]), 10, 64)
}
