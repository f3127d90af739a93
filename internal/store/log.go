package store

import (
	"encoding/binary"
	"errors"
	"strconv"

	"github.com/lightpush/lightpush/internal/push"
)

// The log of a namespace is a stream of what was pushed where lately, in the
// order of the commits. It has what a recovery needs to find the messages a
// client has missed; their bodies are in their records. One entry holds up to
// logPack messages of one group commit.
//
// Ids are given out before the commit, so concurrent processes may commit them
// in another order. Each entry therefore says who wrote it and when its ids
// were given out: what another process has committed about then or later may
// have reached a node behind this entry, although it stands before it.
const (
	// logMax bounds the entries of a log: with logPack some 30 MB at worst,
	// for one namespace under constant heavy load.
	logMax  = 50_000
	logPack = 16
	// logSlack is for clocks of processes and Redis that differ.
	logSlack = 10_000 // ms
	// overlapSlack is how long after its log entry the rest of a commit may
	// be executed, and clusterSlack how much the clocks of the servers of a
	// Cluster may differ. What they make uncertain is sent twice rather than
	// never; only messages of different processes are concerned.
	overlapSlack = 100   // ms
	clusterSlack = 2_000 // ms

	logField   = "m"
	logVersion = 1
)

// logKeep is how far back a log reaches, ms: to where a client may have been
// whose session ends now.
func (s *Store) logKeep() int64 {
	return (s.opt.RecoveryWindow + s.opt.RecoveryLag).Milliseconds() + 3*logSlack
}

// logBatch is an entry of a log.
type logBatch struct {
	at       int64  // ms of the commit; the first part of the entry's id
	origin   uint64 // the process
	prepared int64  // µs: its ids were given out then, and everything of the process before was committed
	messages []logMessage
}

type logMessage struct {
	id     int64
	room   string
	except string // client id, "" for none
}

// appendLogs appends the logs' share of a commit, once per namespace.
func (s *Store) appendLogs(ops []*op, batch []*push.Message, prepared int64) []*op {
	byNamespace := map[string][]logMessage{}
	var order []string
	for _, m := range batch {
		if m.Lost() {
			continue // never delivered
		}
		list, ok := byNamespace[m.Namespace]
		if !ok {
			order = append(order, m.Namespace)
		}
		byNamespace[m.Namespace] = append(list, logMessage{m.ID, m.Room, m.ExceptID()})
	}
	for _, ns := range order {
		key := s.keys.namespace(ns).log
		list := byNamespace[ns]
		trim := list[len(list)-1].id/64 != (list[0].id-1)/64 // about every 64th message
		for len(list) > 0 {
			n := min(logPack, len(list))
			entry := encodeLog(&logBatch{origin: s.origin, prepared: prepared, messages: list[:n]})
			ops = append(ops, do("XADD", key, "MAXLEN", "~", logMax, "*", logField, entry))
			list = list[n:]
		}
		if old := prepared/1000 - s.logKeep(); trim && old > 0 {
			ops = append(ops, do("XTRIM", key, "MINID", "~", old))
		}
		ops = append(ops, do("PEXPIRE", key, s.logKeep()))
	}
	return ops
}

// errLogEntry is returned for bytes that are no entry of this version.
var errLogEntry = errors.New("log entry is malformed or of another version")

// encodeLog gives the entry of b: one version byte, then varints and texts
// with their lengths; ids as distance from the one before.
func encodeLog(b *logBatch) []byte {
	size := 32
	for _, m := range b.messages {
		size += 8 + len(m.room) + len(m.except)
	}
	out := append(make([]byte, 0, size), logVersion)
	out = binary.AppendUvarint(out, b.origin)
	out = binary.AppendUvarint(out, uint64(b.prepared))
	out = binary.AppendUvarint(out, uint64(len(b.messages)))
	last := int64(0)
	for _, m := range b.messages {
		out = binary.AppendUvarint(out, uint64(m.id-last))
		out = binary.AppendUvarint(out, uint64(len(m.room)))
		out = append(out, m.room...)
		out = binary.AppendUvarint(out, uint64(len(m.except)))
		out = append(out, m.except...)
		last = m.id
	}
	return out
}

// decodeLog reads encodeLog's form. The texts share the memory of text.
func decodeLog(text string) (*logBatch, error) {
	r := logReader{rest: text}
	if len(text) == 0 || text[0] != logVersion {
		return nil, errLogEntry
	}
	r.rest = text[1:]
	b := &logBatch{origin: r.number(), prepared: int64(r.number())}
	n := r.number()
	if n == 0 || n > uint64(len(r.rest)) { // a message takes more than a byte
		return nil, errLogEntry
	}
	b.messages = make([]logMessage, n)
	last := int64(0)
	for i := range b.messages {
		step := int64(r.number())
		if step <= 0 || last+step < last {
			return nil, errLogEntry
		}
		last += step
		b.messages[i] = logMessage{id: last, room: r.text(), except: r.text()}
	}
	if r.bad || r.rest != "" || b.prepared < 0 {
		return nil, errLogEntry
	}
	return b, nil
}

// logReader reads fields; after the first malformed one all are zero.
type logReader struct {
	rest string
	bad  bool
}

func (r *logReader) number() uint64 {
	var v uint64
	for i := 0; i < len(r.rest) && i < binary.MaxVarintLen64; i++ {
		c := r.rest[i]
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.rest = r.rest[i+1:]
			return v
		}
	}
	r.rest, r.bad = "", true
	return 0
}

func (r *logReader) text() string {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.rest, r.bad = "", true
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

// positionMillis is the time in a stream entry's id.
func positionMillis(id string) int64 {
	for i := range len(id) {
		if id[i] == '-' {
			id = id[:i]
			break
		}
	}
	ms, _ := strconv.ParseInt(id, 10, 64)
	return ms
}
