package store

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/lightpush/lightpush/internal/client"
)

// keys names all keys. The text between braces is the hash tag that places a
// key in a Redis Cluster.
type keys struct{ prefix string }

func (k keys) namespaces() string { return k.prefix + "nsp" } // hash: namespace → configuration
func (k keys) messageID() string  { return k.prefix + "id" }  // counter of all messages
func (k keys) nodes() string      { return k.prefix + "nodes" }
func (k keys) admin() string      { return k.prefix + "admin" }   // hash of a generated password
func (k keys) cluster() string    { return k.prefix + "cluster" } // secret the nodes share
func (k keys) swept() string      { return k.prefix + "swept" }   // hash: node → who has begun to sweep it
func (k keys) addresses() string  { return k.prefix + "nodeat" }  // hash: node → host:port for other nodes

func (k keys) lock(node string) string        { return k.prefix + "lock:{" + node + "}" }
func (k keys) connections(node string) string { return k.prefix + "k:{" + node + "}" }

// farewells are the disconnect callbacks of a node's connections: client id
// and generation → client.Member.Farewell.
func (k keys) farewells(node string) string { return k.connections(node) + ":bye" }

// Per device: its record, presence included, and a hash of the rooms it has
// joined and not left, each with the generation that joined it last.
func (k keys) client(ns, cid string) string {
	return k.prefix + "c:{" + escape(ns) + "|" + escape(cid) + "}"
}
func (k keys) clientRooms(ns, cid string) string { return k.client(ns, cid) + ":rooms" }

// inbox is what waits for a device: message id|end of its life → message id.
func (k keys) inbox(ns, cid string) string { return k.client(ns, cid) + ":inbox" }

// mutes are the rooms of which a device wants no notifications.
func (k keys) mutes(ns, cid string) string { return k.client(ns, cid) + ":mute" }

// roomKeys are the keys of one room.
type roomKeys struct {
	members string // hash: client id → generation|platform|node|user
	index   string // hash: node → members, and ~platform → members
	users   string // hash: user → members
}

func (k keys) room(ns, room string) roomKeys {
	base := k.prefix + "r:{" + escape(ns) + "|" + escape(room) + "}"
	return roomKeys{members: base, index: base + ":n", users: base + ":u"}
}

// roomIndex is room(…).index alone: every push asks for it.
func (k keys) roomIndex(ns, room string) string {
	return k.prefix + "r:{" + escape(ns) + "|" + escape(room) + "}:n"
}

// total is the set of devices of a platform that ever joined and did not
// leave: the offline audience.
func (r roomKeys) total(platform string) string { return r.members + ":t:" + platform }

// nsKeys are the keys of one namespace's figures.
type nsKeys struct {
	online  string // hash: client id → generation|user
	users   string // hash: user → online devices
	rooms   string // hash: room with a device online → 1, user rooms excluded
	seen    string // zset: client id → last connect, ms
	history string // list of message ids, newest first
	log     string // stream of what was pushed where lately, for recovery
	geo     string // positions of connected devices, by client id
	base    string

	platforms string // hash: platform → online devices, as their ids tell it
}

func (k keys) namespace(ns string) nsKeys {
	base := k.prefix + "n:{" + escape(ns) + "}"
	return nsKeys{
		online: base + ":on", users: base + ":users", rooms: base + ":rooms",
		seen: base + ":seen", history: base + ":hist", log: base + ":log", geo: base + ":geo", base: base,
		platforms: base + ":pf",
	}
}

// bucket is one counter of accepted pushes and the time it may go.
type bucket struct {
	key     string
	expires int64 // ms
}

// once is the answer to a request that its caller may repeat: p|request|owner
// while it is under way, d|request|answer when it is done.
func (k keys) once(ns, key string) string {
	sum := sha256.Sum256([]byte(key))
	return k.prefix + "i:{" + escape(ns) + "|" + hex.EncodeToString(sum[:16]) + "}"
}

// buckets are the minute, hour and day counters that t is in. They are named
// in UTC, so that processes in different time zones count together (B41).
func (n nsKeys) buckets(t time.Time) [3]bucket {
	t = t.UTC()
	hour := t.Truncate(time.Hour)
	day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	return [3]bucket{
		{n.base + ":m:" + t.Format("200601021504"), t.Truncate(time.Minute).Add(time.Minute + time.Hour).UnixMilli()},
		{n.base + ":h:" + t.Format("2006010215"), hour.Add(time.Hour + 24*time.Hour).UnixMilli()},
		{n.base + ":d:" + t.Format("20060102"), day.AddDate(0, 0, 1+100).UnixMilli()},
	}
}

// queueKeys are the keys of one queue.
type queueKeys struct {
	later   string // zset: id → due, µs
	ready   string // list of ids, oldest last
	jobs    string // hash: id → attempt|failed|due|enqueued|body
	workers string // zset: worker → end of its lease, ms
	dead    string // list of ids, newest first
	why     string // hash: id of a dead job → ms|reason
	done    string // zset: id → ms when it was done, for a while
	base    string
}

func (k keys) queue(name string) queueKeys {
	base := k.prefix + "{q:" + escape(name) + "}"
	return queueKeys{
		later: base + ":later", ready: base + ":ready", jobs: base + ":job", workers: base + ":workers",
		dead: base + ":dead", why: base + ":why", done: base + ":done", base: base,
	}
}

// held is the list of ids in the hands of a worker, newest first.
func (q queueKeys) held(worker string) string { return q.base + ":w:" + escape(worker) }

// Per message: the record and the devices that have acked, by platform.
func (k keys) message(id string) string { return k.prefix + "m:{" + id + "}" }

// fates are what became of a message: client id → push.Fate.
func (k keys) fates(id string) string { return k.message(id) + ":f" }

func (k keys) acks(id, platform string) string { return k.message(id) + ":a:" + platform }

// platformOf maps what is no platform to the default one; key names and
// counters know only these.
func platformOf(p string) string {
	if client.ValidPlatform(p) {
		return p
	}
	return client.Web
}

// reserved are the characters that structure keys and values. The default
// key_reg allows none of them in names, but it can be configured.
const reserved = "%{}|"

// escape makes a name safe between separators. Names of the default key_reg
// come back as they are, so distinct names give distinct keys (B27).
func escape(name string) string {
	if !strings.ContainsAny(name, reserved) {
		return name
	}
	return escaper.Replace(name)
}

func unescape(name string) string {
	if !strings.Contains(name, "%") {
		return name
	}
	return unescaper.Replace(name)
}

var (
	escaper   = strings.NewReplacer("%", "%25", "{", "%7B", "}", "%7D", "|", "%7C")
	unescaper = strings.NewReplacer("%25", "%", "%7B", "{", "%7D", "}", "%7C", "|")
)
