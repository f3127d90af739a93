package embedded

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"reflect"
	"sort"
	"strconv"
	"time"
	"unsafe"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
)

// Chunks of a snapshot: a collection is written in commands of at most chunkItems members or chunkBytes, a record ends
// at recordBytes. A single larger value is one record.
const (
	chunkItems  = 1000
	chunkBytes  = 64 << 10
	recordBytes = 256 << 10
)

// snapshotCommand is a command of the log alone: here ends what the last compaction wrote. It tells the next start how
// much the log has grown since.
const snapshotCommand = "SNAPSHOT"

// snapshotWriter writes commands as records.
type snapshotWriter struct {
	w     io.Writer
	rec   recordWriter
	buf   []byte
	bytes int64
	err   error
}

func (w *snapshotWriter) add(args ...string) {
	w.rec.add(args...)
	if len(w.rec.buf) >= recordBytes {
		w.flush()
	}
}

func (w *snapshotWriter) flush() {
	if w.rec.n == 0 || w.err != nil {
		w.rec.reset(w.rec.time)
		return
	}
	w.buf = w.rec.appendTo(w.buf[:0])
	w.rec.reset(w.rec.time)
	var n int
	n, w.err = w.w.Write(w.buf)
	w.bytes += int64(n)
}

// memberChunk collects the members of one key into commands.
type memberChunk struct {
	w     *snapshotWriter
	head  []string
	args  []string
	bytes int
}

func (c *memberChunk) add(parts ...string) {
	if len(c.args) == 0 {
		c.args = append(c.args, c.head...)
	}
	c.args = append(c.args, parts...)
	for _, p := range parts {
		c.bytes += len(p)
	}
	if len(c.args) >= chunkItems || c.bytes >= chunkBytes {
		c.flush()
	}
}

func (c *memberChunk) flush() {
	if len(c.args) > 0 {
		c.w.add(c.args...)
	}
	c.args, c.bytes = c.args[:0], 0
}

// snapshotRun is a snapshot that is written in slices, while commands change the data set and their records go to the
// same file. A key is written as it is at its slice: removed first, then rebuilt. What the file did to it before no
// longer matters then (it was done to a part of the key, or to nothing), and what follows finds it as it was. Keys that
// are made meanwhile are in the file from their first command on.
//
// That leaves commands whose effect on one key depends on another, which the file may not have yet (spec.joins): all
// their keys are written again at the end (engine.moved).
type snapshotRun struct {
	w    *snapshotWriter
	keys []string // those that are to be written; the first next of them are
	next int
	gone []string // keys of which only miniredis' bookkeeping is left
	done bool
}

// beginSnapshot lists the keys.
func (e *engine) beginSnapshot(run *snapshotRun) {
	run.w.rec.reset(e.now)
	for _, text := range e.scripts.loaded {
		run.w.add("SCRIPT", "LOAD", text)
	}
	run.w.flush()
	run.keys, run.gone = e.listKeys()
	e.moved = map[string]struct{}{}
}

// snapshot writes the next slice, until that time, but at least a key. Consumer groups lose the idle times of consumers
// and the pending entries whose stream entry is deleted.
func (e *engine) snapshot(run *snapshotRun, until time.Time) error {
	run.w.rec.reset(e.now)
	db := e.m.DB(0)
	for run.next < len(run.keys) || len(e.moved) > 0 {
		var key string
		if run.next < len(run.keys) {
			key = run.keys[run.next]
			run.next++
		} else {
			for key = range e.moved {
				break
			}
			delete(e.moved, key)
		}
		if err := e.dumpKey(run.w, db, key); err != nil {
			return fmt.Errorf("key %q: %w", key, err)
		}
		if run.w.err != nil {
			return run.w.err
		}
		if !time.Now().Before(until) {
			run.w.flush()
			return run.w.err
		}
	}
	if !e.forgetGone(run, until) {
		return nil
	}
	run.w.flush()
	run.w.add(snapshotCommand)
	run.w.flush()
	run.done = true
	return run.w.err
}

func (e *engine) dumpKey(w *snapshotWriter, db *miniredis.RedisDB, key string) error {
	var deadline []string
	if ttl := db.TTL(key); ttl > 0 {
		deadline = []string{"PEXPIREAT", key, strconv.FormatInt(ttl.Milliseconds(), 10)}
	}
	c := &memberChunk{w: w}
	w.add("DEL", key)
	kind := db.Type(key)
	if id, ok := e.lastIDs[key]; ok && kind == "stream" {
		defer w.add(lastIDCommand, key, id.String())
	}
	switch kind {
	case "": // deleted meanwhile
		return nil
	case "string":
		v, err := db.Get(key)
		if err != nil {
			return err
		}
		w.add("SET", key, v)
	case "hash":
		fields, err := db.HKeys(key)
		if err != nil {
			return err
		}
		c.head = []string{"HSET", key}
		for _, f := range fields {
			c.add(f, db.HGet(key, f))
		}
	case "list":
		items, err := db.List(key)
		if err != nil {
			return err
		}
		c.head = []string{"RPUSH", key}
		for _, v := range items {
			c.add(v)
		}
	case "set":
		members, err := db.Members(key)
		if err != nil {
			return err
		}
		c.head = []string{"SADD", key}
		for _, m := range members {
			c.add(m)
		}
	case "zset":
		scores, err := db.SortedSet(key)
		if err != nil {
			return err
		}
		c.head = []string{"ZADD", key}
		for m, score := range scores {
			c.add(strconv.FormatFloat(score, 'g', -1, 64), m)
		}
	case "stream":
		if err := e.dumpStream(w, db, key); err != nil {
			return err
		}
	default:
		return fmt.Errorf("unexpected type %q", kind)
	}
	c.flush()
	if deadline != nil {
		w.add(deadline...)
	}
	return nil
}

func (e *engine) dumpStream(w *snapshotWriter, db *miniredis.RedisDB, key string) error {
	entries, err := db.Stream(key)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		w.add(append([]string{"XADD", key, entry.ID}, entry.Values...)...)
	}
	groups, err := e.infoMaps("XINFO", "GROUPS", key)
	if err != nil {
		return err
	}
	if len(entries) == 0 && len(groups) == 0 { // an empty stream exists only with the help of a group
		w.add("XGROUP", "CREATE", key, "-", "$", "MKSTREAM")
		w.add("XGROUP", "DESTROY", key, "-")
	}
	for _, g := range groups {
		if err := e.dumpGroup(w, key, g, entries); err != nil {
			return err
		}
	}
	return nil
}

func (e *engine) dumpGroup(w *snapshotWriter, key string, info map[string]any, entries []miniredis.StreamEntry) error {
	group := fmt.Sprint(info["name"])
	w.add("XGROUP", "CREATE", key, group, fmt.Sprint(info["last-delivered-id"]), "MKSTREAM")
	consumers, err := e.infoMaps("XINFO", "CONSUMERS", key, group)
	if err != nil {
		return err
	}
	for _, c := range consumers {
		w.add("XGROUP", "CREATECONSUMER", key, group, fmt.Sprint(c["name"]))
	}
	pending, err := e.ask("XPENDING", key, group, "-", "+", strconv.Itoa(1<<30))
	if err != nil {
		return err
	}
	for _, p := range pending {
		row, ok := p.([]any)
		if !ok || len(row) != 4 {
			return fmt.Errorf("unexpected XPENDING row %v", p)
		}
		id := fmt.Sprint(row[0])
		idle, _ := row[2].(int)
		i := sort.Search(len(entries), func(i int) bool { return !idLess(entries[i].ID, id) })
		if i == len(entries) || entries[i].ID != id {
			continue
		}
		w.add("XCLAIM", key, group, fmt.Sprint(row[1]), "0", id, "TIME", strconv.FormatInt(e.now-int64(idle), 10),
			"RETRYCOUNT", fmt.Sprint(row[3]), "FORCE", "JUSTID")
	}
	return nil
}

func idLess(a, b string) bool {
	x, _ := parseStreamID(a)
	y, _ := parseStreamID(b)
	return x.less(y)
}

// ask runs a read at the time of day and parses its array reply.
func (e *engine) ask(args ...string) ([]any, error) {
	e.m.SetTime(time.UnixMilli(e.now).UTC())
	defer e.m.SetTime(epoch)
	v, err := server.ParseReply(bufio.NewReader(bytes.NewReader(e.run(args...))))
	if err != nil {
		return nil, err
	}
	rows, _ := v.([]any)
	return rows, nil
}

// infoMaps parses the maps of XINFO, sorted by name.
func (e *engine) infoMaps(args ...string) ([]map[string]any, error) {
	rows, err := e.ask(args...)
	if err != nil {
		return nil, err
	}
	maps := make([]map[string]any, 0, len(rows))
	for _, r := range rows {
		m := map[string]any{}
		if pairs, ok := r.([]any); ok {
			for i := 0; i+1 < len(pairs); i += 2 {
				m[fmt.Sprint(pairs[i])] = pairs[i+1]
			}
		}
		maps = append(maps, m)
	}
	sort.Slice(maps, func(i, j int) bool { return fmt.Sprint(maps[i]["name"]) < fmt.Sprint(maps[j]["name"]) })
	return maps, nil
}

// listKeys returns all keys, and those that exist no longer but that miniredis remembers.
func (e *engine) listKeys() (keys, gone []string) {
	b, ok := bookkeepingOf(e.m.DB(0))
	if !ok {
		return e.m.DB(0).Keys(), nil
	}
	keys = make([]string, 0, len(*b.keys))
	for key := range *b.keys {
		keys = append(keys, key)
	}
	for key := range *b.versions {
		if _, exists := (*b.keys)[key]; !exists {
			gone = append(gone, key)
		}
	}
	return keys, gone
}

// forgetGone drops what miniredis remembers of keys that are gone: it keeps a version for every key there ever was
// (for WATCH) and a time of use, without a way to drop them, which would be a leak in a process that runs for months.
// If a miniredis does not have these fields, nothing happens, and TestForgetVersions fails. It reports whether it has
// come to the end.
func (e *engine) forgetGone(run *snapshotRun, until time.Time) bool {
	const look = 256 // at the clock
	e.watchEpoch++
	b, ok := bookkeepingOf(e.m.DB(0))
	for n := 1; ok && len(run.gone) > 0; n++ {
		key := run.gone[len(run.gone)-1]
		run.gone = run.gone[:len(run.gone)-1]
		if _, exists := (*b.keys)[key]; !exists {
			delete(*b.versions, key)
			delete(*b.times, key)
			delete(e.lastIDs, key)
		}
		if n%look == 0 && !time.Now().Before(until) {
			return false
		}
	}
	return true
}

// bookkeeping are fields of miniredis that it shows to nobody. Server.mu keeps everybody else away from them.
type bookkeeping struct {
	keys     *map[string]string // with their type
	versions *map[string]uint
	times    *map[string]time.Time
}

func bookkeepingOf(db *miniredis.RedisDB) (b bookkeeping, ok bool) {
	v := reflect.ValueOf(db).Elem()
	keys, versions, times := v.FieldByName("keys"), v.FieldByName("keyVersion"), v.FieldByName("lru")
	if !keys.IsValid() || keys.Type() != reflect.TypeFor[map[string]string]() ||
		!versions.IsValid() || versions.Type() != reflect.TypeFor[map[string]uint]() ||
		!times.IsValid() || times.Type() != reflect.TypeFor[map[string]time.Time]() {
		return bookkeeping{}, false
	}
	return bookkeeping{
		keys:     (*map[string]string)(unsafe.Pointer(keys.UnsafeAddr())),
		versions: (*map[string]uint)(unsafe.Pointer(versions.UnsafeAddr())),
		times:    (*map[string]time.Time)(unsafe.Pointer(times.UnsafeAddr())),
	}, true
}
