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

// snapshot writes commands that rebuild the data set, and brings the indexes back to what exists. Consumer groups lose
// the idle times of consumers and the pending entries whose stream entry is deleted.
func (e *engine) snapshot(w *snapshotWriter) error {
	db := e.m.DB(0)
	w.rec.reset(e.now)
	for _, text := range e.scripts.loaded {
		w.add("SCRIPT", "LOAD", text)
	}
	expiry := newExpiryIndex()
	lastIDs := map[string]streamID{}
	keys := db.Keys()
	for _, key := range keys {
		if err := e.dumpKey(w, db, key); err != nil {
			return fmt.Errorf("key %q: %w", key, err)
		}
		if ttl := db.TTL(key); ttl > 0 {
			expiry.note(key, ttl.Milliseconds())
		}
		if id, ok := e.lastIDs[key]; ok && db.Type(key) == "stream" {
			lastIDs[key] = id
			w.add(lastIDCommand, key, id.String())
		}
		if w.err != nil {
			return w.err
		}
	}
	w.flush()
	w.add(snapshotCommand)
	w.flush()
	if w.err != nil {
		return w.err
	}
	e.expiry, e.lastIDs = expiry, lastIDs
	e.forgetVersions(db, keys)
	return nil
}

func (e *engine) dumpKey(w *snapshotWriter, db *miniredis.RedisDB, key string) error {
	var deadline []string
	if ttl := db.TTL(key); ttl > 0 {
		deadline = []string{"PEXPIREAT", key, strconv.FormatInt(ttl.Milliseconds(), 10)}
	}
	c := &memberChunk{w: w}
	switch kind := db.Type(key); kind {
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

// forgetVersions drops what miniredis remembers of keys that are gone: it keeps a version for every key there ever was
// (for WATCH) and a time of use, without a way to drop them, which would be a leak in a process that runs for months.
// If a miniredis does not have these fields, nothing happens, and TestForgetVersions fails.
func (e *engine) forgetVersions(db *miniredis.RedisDB, keys []string) {
	versions, times, ok := keyBookkeeping(db)
	if !ok {
		return
	}
	keptVersions, keptTimes := make(map[string]uint, len(keys)), make(map[string]time.Time, len(keys))
	for _, key := range keys {
		if v, ok := (*versions)[key]; ok {
			keptVersions[key] = v
		}
		if t, ok := (*times)[key]; ok {
			keptTimes[key] = t
		}
	}
	*versions, *times = keptVersions, keptTimes
	e.watchEpoch++
}

// keyBookkeeping finds the two fields. Server.mu keeps everybody else away from them.
func keyBookkeeping(db *miniredis.RedisDB) (versions *map[string]uint, times *map[string]time.Time, ok bool) {
	v := reflect.ValueOf(db).Elem()
	a, b := v.FieldByName("keyVersion"), v.FieldByName("lru")
	if !a.IsValid() || a.Type() != reflect.TypeFor[map[string]uint]() ||
		!b.IsValid() || b.Type() != reflect.TypeFor[map[string]time.Time]() {
		return nil, nil, false
	}
	return (*map[string]uint)(unsafe.Pointer(a.UnsafeAddr())), (*map[string]time.Time)(unsafe.Pointer(b.UnsafeAddr())), true
}
