package embedded

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"
)

// twins are a plain miniredis and a store at the same time of day, which get the same commands.
type twins struct {
	plain *miniredis.Miniredis
	peer  *server.Peer
	out   bytes.Buffer
	store *Server
	resp3 bool
}

func newTwins(t *testing.T, resp3 bool) *twins {
	wall := newClock()
	w := &twins{plain: miniredis.NewMiniRedis(), resp3: resp3}
	conn, err := w.plain.Dial() // starts it
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	t.Cleanup(w.plain.Close)
	w.plain.SetTime(wall.now())
	w.peer = server.NewPeer(bufio.NewWriter(&w.out))
	w.store = open(t, Options{Dir: t.TempDir(), Now: wall.now, CompactMinBytes: -1, ExpireInterval: time.Hour})
	return w
}

// both returns the replies as they go over the wire. A panic of miniredis' is a reply as well.
func (w *twins) both(args ...string) (plain, ours string) {
	func() {
		defer func() {
			if r := recover(); r != nil {
				plain = fmt.Sprint("panic: ", r)
				w.peer.Flush()
				w.plain.TryLock()
				w.plain.Unlock()
			}
			w.out.Reset()
		}()
		w.peer.Resp3 = w.resp3
		w.plain.Server().Dispatch(w.peer, slices.Clone(args))
		w.peer.Flush()
		plain = w.out.String()
	}()
	return plain, w.ours(args...)
}

func (w *twins) ours(args ...string) string {
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beginLocked()
	s.engine.peer.Resp3 = w.resp3
	reply := string(s.engine.execute(s.table.lookup(args[0]), slices.Clone(args)))
	if s.engine.effects.n > 0 {
		s.log.append(&s.engine.effects)
	}
	return reply
}

// sameData compares all keys, their contents and their lifetimes.
func (w *twins) sameData(t *testing.T) {
	t.Helper()
	diff(t, "data set", w.store.engine.m.Dump(), w.plain.Dump())
	for _, key := range w.plain.Keys() {
		if plain, ours := w.both("PTTL", key); plain != ours {
			t.Errorf("lifetime of %s: %q, miniredis %q", key, ours, plain)
		}
	}
}

// parity are scripts that get the keys k1 (a string "v"), k2 (a list a b c), h (a hash f=1), none and the arguments
// a1, 2, 3.5, "". own is the reply where it differs from miniredis' on purpose.
var parity = []struct{ text, own string }{
	// replies
	{text: "return 1"}, {text: "return -7"}, {text: "return 3.99"}, {text: "return -3.99"}, {text: "return 2^53"}, {text: "return 9007199254740993"},
	{text: "return 'text'"}, {text: `return 'bin\0\r\n\255'`}, {text: "return ''"}, {text: "return true"}, {text: "return false"},
	{text: "return nil"}, {text: "return"}, {text: ""}, {text: "-- nothing"}, {text: "return 1, 2, 3"}, {text: "return {}"},
	{text: "return {1, 2, 'three', 4.7}"}, {text: "return {1, nil, 3}"}, {text: "return {nil, 2}"}, {text: "return {false, true, false}"},
	{text: "return {1, {2, {3, {}}}, 'x'}"}, {text: "return {a = 1, 2, b = 3}"}, {text: "return {ok = 'fine'}"}, {text: "return {err = 'MY problem'}"},
	{text: "return {err = 'a\\nb\\tc', 1}"}, {text: "return {ok = 'a\\r\\nb'}"}, {text: "return {ok = 5}"}, {text: "return {{ok = 'in'}, {err = 'ERR in'}, 1}"},
	{text: "return redis.status_reply('GOOD')"}, {text: "return redis.error_reply('BAD')"}, {text: "return redis.error_reply('MY BAD THING')"},
	{text: "return redis.error_reply('-MY BAD')"}, {text: "return redis.error_reply('')"}, {text: "return redis.error_reply(5)"},
	{text: "return redis.status_reply(nil)"}, {text: "return redis.status_reply()"}, {text: "return tostring(redis.error_reply('X y').err)"},
	{text: "return KEYS"}, {text: "return ARGV"}, {text: "return {KEYS[1], ARGV[2], KEYS[9]}"}, {text: "return #KEYS + #ARGV"},
	{text: "return redis.call", own: "$-1\r\n"}, {text: "return {1, redis.call}", own: "*2\r\n:1\r\n$-1\r\n"},
	{text: "local t = {} t[1] = t return t", own: "-ERR reached the limit of nested tables in the reply of a script\r\n"},
	// conversions of replies
	{text: "return redis.call('GET', KEYS[1])"}, {text: "return redis.call('GET', 'absent')"}, {text: "return redis.call('GET', 'absent') == false"},
	{text: "return type(redis.call('GET', 'absent'))"}, {text: "return redis.call('SET', 'new', 'x')"}, {text: "return redis.call('SET', 'new', 'y').ok"},
	{text: "return redis.call('LRANGE', KEYS[2], 0, -1)"}, {text: "return redis.call('LRANGE', 'absent', 0, -1)"}, {text: "return redis.call('MGET', KEYS[1], 'absent', KEYS[1])"},
	{text: "local r = redis.call('MGET', 'absent', KEYS[1]) return {#r, type(r[1]), r[2]}"}, {text: "return redis.call('HGETALL', KEYS[3])"},
	{text: "return redis.call('HMGET', KEYS[3], 'f', 'g')"}, {text: "return redis.call('STRLEN', KEYS[1])"}, {text: "return redis.call('EXISTS', KEYS[1], 'absent')"},
	{text: "return redis.call('INCRBY', 'big', '9007199254740993')"}, {text: "return redis.call('INCRBY', 'big2', '9223372036854775807')"},
	{text: "return redis.call('INCRBYFLOAT', 'fl', 3.0e3)"}, {text: "return redis.call('ZADD', 'z', 1.5, 'a', 2, 'b')"}, {text: "return redis.call('ZSCORE', 'z', 'a')"},
	{text: "return redis.call('ZRANGE', 'z', 0, -1, 'WITHSCORES')"}, {text: "return redis.call('TYPE', KEYS[1])"}, {text: "return redis.call('TYPE', KEYS[1])['ok']"},
	{text: "return redis.call('XADD', 'x', '5-5', 'a', 'b')"}, {text: "return redis.call('XRANGE', 'x', '-', '+')"}, {text: "return redis.call('SCAN', 0, 'COUNT', 1000)[1]"},
	{text: "return redis.call('LPOP', 'absent')"}, {text: "return redis.call('SMEMBERS', 'absent')"}, {text: "return redis.call('PUBLISH', 'c', 'm')"},
	{text: "return redis.call('ECHO', '')"}, {text: "return redis.call('get', KEYS[1])"}, {text: "return redis.call('TIME')"}, {text: "return redis.call('DBSIZE')"},
	{text: "return redis.call('PTTL', KEYS[1])"}, {text: "redis.call('EXPIRE', KEYS[1], 100) return redis.call('TTL', KEYS[1])"},
	{text: "return redis.call('SETEX', 'sx', 10, 'v')"}, {text: "return redis.call('PERSIST', KEYS[1])"}, {text: "return redis.call('SPOP', 'absent')"},
	// conversions of arguments
	{text: "return redis.call('SET', 'n', 17)"}, {text: "return redis.call('GET', 'n')"}, {text: "redis.call('SET', 'n', 0.1) return redis.call('GET', 'n')"},
	{text: "redis.call('SET', 'n', 1e20) return redis.call('GET', 'n')"}, {text: "redis.call('SET', 'n', 1e100) return redis.call('GET', 'n')"},
	{text: "redis.call('SET', 'n', -0.0) return redis.call('GET', 'n')"}, {text: "redis.call('SET', 'n', 2^63) return redis.call('GET', 'n')"},
	{text: "redis.call('SET', 'n', 0/0) return redis.call('GET', 'n')"}, {text: "redis.call('SET', 'n', 1/0) return redis.call('GET', 'n')"},
	{text: "return redis.call('SET', 'n', true)"}, {text: "return redis.call('SET', 'n', nil)"}, {text: "return redis.call('SET', 'n', {})"},
	{text: "return redis.call()"}, {text: "return redis.pcall()"}, {text: "return redis.call(5)"},
	{text: "local t = {} for i = 1, 2000 do t[i] = i end return redis.call('RPUSH', 'many', unpack(t))"},
	{text: "local t = {} for i = 1, 2000 do t[i] = 'm' .. i end redis.call('SADD', 'manyset', unpack(t)) return #redis.call('SMEMBERS', 'manyset')"},
	{text: "return #{unpack(redis.call('LRANGE', 'many', 0, -1))}"},
	// errors
	{text: "return redis.call('LPUSH', KEYS[1], 'x')"}, {text: "return redis.pcall('LPUSH', KEYS[1], 'x')"}, {text: "return redis.pcall('LPUSH', KEYS[1], 'x').err"},
	{text: "local r = redis.pcall('LPUSH', KEYS[1], 'x') return {type(r), r.err, r.ok}"}, {text: "return {pcall(redis.call, 'LPUSH', KEYS[1], 'x')}"},
	{text: "return {pcall(function() return redis.call('LPUSH', KEYS[1], 'x') end)}"}, {text: "return redis.call('GET')"}, {text: "return redis.pcall('GET')"},
	{text: "return redis.call('NONSENSE', 1)"}, {text: "return redis.pcall('NONSENSE', 1)"}, {text: "redis.call('SET', 'half', 1) redis.call('LPUSH', 'half', 1)"},
	{text: "error('my error')"}, {text: "error({err = 'MY table'})", own: "-MY table\r\n"}, {text: "error({})", own: "-any table: "}, {text: "error()"}, {text: "error('no position', 0)"}, {text: "error('x') return 5 -- 100%"},
	{text: "local x = nil; return x.y"}, {text: "return 1 + {}"}, {text: "return 'a' + 1"}, {text: "return #5"}, {text: "return {} < {}"}, {text: "assert(false, 'no')"}, {text: "return assert(nil)"},
	{text: "local function f() return f2() end return f()", own: "-any global"}, {text: "local function f(n) return 1 + f(n) end return f(1)"},
	{text: "return {select(2, pcall(error, 'inner'))}"}, {text: "return {xpcall(function() error('a') end, function(m) return 'handled ' .. m end)}"},
	{text: "syntax error here"}, {text: "return ("}, {text: "for"}, {text: "goto nowhere"}, {text: "local a <const> = 1"}, {text: "return 'unfinished"},
	{text: "return string.rep('x', 5, 6, 7)"}, {text: "return string.format('%d %s %5.2f %q', 5, 'a', 1.5, 'b')"}, {text: "return string.rep()"},
	// globals
	{text: "x = 1", own: "-any create global variable 'x'"}, {text: "function f() end", own: "-any create global variable 'f'"}, {text: "return y", own: "-any access nonexistent global variable 'y'"},
	{text: "_G.x = 1", own: "-any create global variable 'x'"}, {text: "return _G['y']", own: "-any access nonexistent global variable 'y'"}, {text: "return rawget(_G, 'y')"},
	{text: "rawset(_G, 'z', 5) return z"}, {text: "return rawget(_G, 'z')"}, {text: "KEYS = 5 return KEYS"}, {text: "tostring = 5 return tostring"}, {text: "return type(tostring)"},
	{text: "string.mine = 1 return string.mine"}, {text: "return string.mine"}, {text: "redis.call = 1 return redis.call"}, {text: "return type(redis.call)"},
	{text: "return {pcall(function() w = 1 end)}", own: "*any create global variable 'w'"}, {text: "setmetatable(_G, nil) q = 1 return q"}, {text: "return rawget(_G, 'q')"},
	{text: "setfenv(1, {}) abc = 5 return abc"}, {text: "setfenv(0, {}) return 1"}, {text: "return type(getfenv(1).redis)"},
	{text: "return print", own: "-any access nonexistent global variable 'print'"}, {text: "return dofile", own: "-any access nonexistent global variable 'dofile'"},
	{text: "return loadfile", own: "-any access nonexistent global variable 'loadfile'"}, {text: "return require('os')", own: "-any access nonexistent global variable 'require'"},
	{text: "return debug", own: "-any access nonexistent global variable 'debug'"}, {text: "return io", own: "-any access nonexistent global variable 'io'"},
	{text: "return os.time", own: "$-1\r\n"}, {text: "return type(os.clock())"}, {text: "return {type(_VERSION), type(server.call), redis.LOG_WARNING}"},
	{text: "local n = {} for k in pairs(redis) do n[#n + 1] = k end table.sort(n) return n"}, {text: "local n = {} for k in pairs(string) do n[#n + 1] = k end table.sort(n) return n"},
	{text: "local n = {} for k in pairs(math) do n[#n + 1] = k end table.sort(n) return n"}, {text: "local n = {} for k in pairs(table) do n[#n + 1] = k end table.sort(n) return n"},
	{text: "local n = {} for k in pairs(coroutine) do n[#n + 1] = k end table.sort(n) return n"}, {text: "local n = {} for k in pairs(cjson) do n[#n + 1] = k end table.sort(n) return n"},
	{text: "return {#arg, arg.n, type(arg)}", own: "-any nonexistent global variable 'arg'"}, {text: "return {select('#', ...), ...}"}, {text: "return (function(...) return arg.n end)(1, 2)"},
	// libraries
	{text: "return cjson.encode({1, 'two', false, {a = 'b'}})"}, {text: "return cjson.encode({name = 'x', n = 1.5})"}, {text: "return cjson.decode('[1,2,{\"a\":\"b\"}]')[3].a"},
	{text: "return {cjson.decode('{bad')}"}, {text: "return cjson.decode('null')"}, {text: "return cjson.decode('[1,null,3]')"}, {text: "return cjson.encode()"}, {text: "return cjson.encode({[1] = 1, x = 2})"},
	{text: "return cjson.encode(5)"}, {text: "return cjson.decode(cjson.encode({1, {2}}))"}, {text: "return redis.sha1hex('abc')"}, {text: "return redis.sha1hex()"}, {text: "return redis.sha1hex(nil)"},
	{text: "return redis.log(redis.LOG_NOTICE, 'x')"}, {text: "return redis.log('x')"}, {text: "return redis.replicate_commands()"}, {text: "return redis.set_repl(1)"}, {text: "return redis.setresp(3)"},
	{text: "return redis.setresp(4)"}, {text: "redis.setresp(3) return redis.call('HGETALL', KEYS[3])"}, {text: "redis.setresp(3) return redis.call('GET', 'absent')"},
	{text: "return {string.match('12|a|b', '^(%d+)|([^|]*)|(.*)$')}"}, {text: "return string.gsub('hello', 'l', 'L')"}, {text: "return ('x'):rep(3)"}, {text: "return table.concat({1, 2, 3}, ',')"},
	{text: "local t = {3, 1, 2} table.sort(t) return t"}, {text: "local t = {3, 1, 2} table.sort(t, function(a, b) return a > b end) table.insert(t, 9) table.remove(t, 1) return t"},
	{text: "return {math.floor(3.7), math.max(1, 5), math.huge > 1, tonumber('0x10'), tonumber('z', 36), tonumber('x')}"}, {text: "return {tonumber('1e3'), tonumber('  5 '), tonumber('')}"},
	{text: "local co = coroutine.create(function(a) local b = coroutine.yield(a + 1) return b * 2 end) local _, x = coroutine.resume(co, 1) local _, y = coroutine.resume(co, 10) return {x, y, coroutine.status(co)}"},
	{text: "local w = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(redis.call('GET', KEYS[1]) .. i) end end) return {w(), w(), w()}"},
	{text: "local w = coroutine.wrap(function() error('inside') end) return w()"}, {text: "return coroutine.yield(1)"}, {text: "return {coroutine.resume(coroutine.create(function() error('in') end))}"},
	{text: "return loadstring('return 5 + ...')(3)"}, {text: "return {loadstring('bad bad')}"}, {text: "local n = 0 return load(function() n = n + 1 return ({'return ', '7'})[n] end)()"},
	{text: "local t = setmetatable({}, {__index = function(_, k) return k .. '!' end}) return t.a"}, {text: "local t = setmetatable({}, {__index = function(_, i) if i < 3 then return i end end}) return t", own: "*0\r\n"},
	{text: "return setmetatable(5, {})", own: "-any table expected"}, {text: "getmetatable('').__index = nil return 1"}, {text: "return ('abc'):upper()"},
	{text: "return tostring(nil) .. tostring(true) .. tostring(1.5) .. tostring(1e15)"}, {text: "return 10 / 3"}, {text: "return 7 % 3 .. 'x'"}, {text: "return 1e15 .. ''"}, {text: "return {2^31, -2^31, 1e18}"},
	{text: "local s = 0 for i = 1, 10000 do s = s + i end return s"}, {text: "local i = 0 while i < 5 do i = i + 1 if i == 3 then break end end return i"},
	{text: "return (function(...) return select('#', ...) end)(1, nil, nil)"}, {text: "local t = {} for i, v in ipairs({1, 2, nil, 4}) do t[i] = v end return #t"},
}

var location = regexp.MustCompile(` stack traceback:.*`)

// TestScriptParity holds scripts to what they do on miniredis: the same replies, errors included, and the same data.
func TestScriptParity(t *testing.T) {
	for _, resp3 := range []bool{false, true} {
		t.Run(fmt.Sprint("RESP3=", resp3), func(t *testing.T) {
			w := newTwins(t, resp3)
			for _, line := range [][]string{{"SET", "k1", "v"}, {"RPUSH", "k2", "a", "b", "c"}, {"HSET", "h", "f", "1"}} {
				w.both(line...)
			}
			for _, p := range parity {
				args := []string{"EVAL", p.text, "4", "k1", "k2", "h", "none", "a1", "2", "3.5", ""}
				var plain, ours string
				if strings.Contains(p.text, "t[1] = t") {
					ours = w.ours(args...) // ends miniredis' process
				} else {
					plain, ours = w.both(args...)
				}
				switch mark, contains, any := strings.Cut(p.own, "any "); {
				case any && (ours[:1] != mark || !strings.Contains(ours, contains)):
					t.Errorf("%s: %q, want %s with %q", p.text, ours, mark, contains)
				case p.own != "" && !any && strings.ReplaceAll(ours, nil3Reply, nilReply) != p.own:
					t.Errorf("%s: %q, want %q", p.text, ours, p.own)
				case p.own == "" && ours != plain:
					t.Errorf("%s:\n     got %q\nmniredis %q", p.text, location.ReplaceAllString(ours, "…"), location.ReplaceAllString(plain, "…"))
				}
			}
			w.sameData(t)
		})
	}
}

// TestScriptCommandParity holds the commands themselves to miniredis: wrong arguments, unknown scripts, SCRIPT.
func TestScriptCommandParity(t *testing.T) {
	w := newTwins(t, false)
	sha := sha1Hex("return ARGV[1]")
	for _, args := range [][]string{
		{"EVAL"}, {"EVAL", "return 1"}, {"EVAL", "return 1", "x"}, {"EVAL", "return 1", "-1"}, {"EVAL", "return 1", "1"}, {"EVAL", "bad bad", "x"},
		{"EVALSHA"}, {"EVALSHA", sha}, {"EVALSHA", sha, "0", "a"}, {"EVALSHA", "x", "y"}, {"SCRIPT", "EXISTS", sha, "x"},
		{"SCRIPT", "LOAD", "return ARGV[1]"}, {"EVALSHA", sha, "0", "a"}, {"EVALSHA", sha, "x"}, {"EVALSHA", sha, "-1"}, {"EVALSHA", sha, "2"},
		{"SCRIPT", "EXISTS", sha, "x"}, {"script", "exists", sha}, {"SCRIPT", "LOAD", "bad bad"}, {"SCRIPT", "LOAD", "return ("}, {"SCRIPT", "LOAD"},
		{"SCRIPT", "LOAD", "a", "b"}, {"SCRIPT", "EXISTS"}, {"SCRIPT", "FLUSH", "now"}, {"SCRIPT", "FLUSH", "SYNC", "x"}, {"SCRIPT"}, {"SCRIPT", "NONE"},
		{"EVALSHA", sha, "0", "still"}, {"SCRIPT", "FLUSH", "async"}, {"EVALSHA", sha, "0", "gone"}, {"SCRIPT", "EXISTS", sha},
		{"EVAL", "return ARGV[1]", "0", "by text"}, {"EVALSHA", sha, "0", "known by it"}, {"SCRIPT", "FLUSH"}, {"EVALSHA", sha, "0", "gone"},
		{"EVAL_RO", "return redis.call('GET', 'k')", "0"}, {"EVAL_RO", "return redis.call('SET', 'k', 1)", "0"}, {"EVAL_RO", "return redis.pcall('SET', 'k', 1)", "0"},
		{"EVAL_RO", "return redis.call('NONSENSE')", "0"}, {"EVAL_RO", "return redis.call('PUBLISH', 'a', 'b')", "0"}, {"EVALSHA_RO", "x", "0"},
	} {
		if plain, ours := w.both(args...); plain != ours {
			t.Errorf("%q:\n     got %q\nminiredis %q", args, ours, plain)
		}
	}
	w.sameData(t)
	for _, args := range [][]string{{"EVALSHA", strings.ToUpper(sha), "0", "upper case"}} { // as Redis
		w.ours("SCRIPT", "LOAD", "return ARGV[1]")
		if got := w.ours(args...); got != "$10\r\nupper case\r\n" {
			t.Errorf("%q: %q", args, got)
		}
	}
}

// storeScripts are calls of every script of the store, in an order that takes their branches.
var storeScripts = []string{
	"client_claim 1 c u1 1000", "client_claim 1 c u1 900", "client_claim 1 c u2 99999999999999", "client_join 2 c c:rooms 1 n1 a",
	"client_join 2 c c:rooms 99999999999999 n1 a b", "client_join 2 c c:rooms 99999999999999 n2", "client_release 1 c 1 5 gone",
	"client_claim 1 c u2 5", "client_release 1 c 99999999999999 5 gone", "client_release 1 c 99999999999999 5 gone",
	"ns_enter 3 on users seen c1 5 u1 1000", "ns_enter 3 on users seen c1 4 u1 1001", "ns_enter 3 on users seen c1 6 u2 1002",
	"ns_enter 3 on users seen c2 6 u2 1003", "ns_locate 2 on geo c1 13.4 52.5", "ns_locate 2 on geo c9 13.4 52.5", "ns_leave 3 on users geo c1 5", "ns_leave 3 on users geo c1 6", "ns_leave 3 on users geo c9 6",
	"ns_update 1 list ns1 - {\"a\":1}", "ns_update 1 list ns1 - x", "ns_update 1 list ns1 {\"a\":1} {\"b\":1}",
	"room_join 4 m i u d c1 5 web n1 u1", "room_join 4 m i u d c1 5 web n1 u1", "room_join 4 m i u d c1 4 web n1 u1",
	"room_join 4 m i u d c1 6 ios n2 u2", "room_join 4 m i u d c2 1 web n1 u2", "room_leave 4 m i u d c1 5 keep",
	"room_leave 4 m i u d c1 6 keep", "room_leave 4 m i u d c9 6 forget", "room_leave 4 m i u d c2 9 forget", "room_join 4 m i u d c3 1 web n1 u3",
	"room_leave 4 m i u d c3 1 undo", "rooms_count 1 rooms r1 1 r2 1 r1 -1 r3 -1", "rooms_correct 1 rooms r3 -1 0", "rooms_correct 1 rooms r4 - 1",
	"rooms_correct 1 rooms r4 0 1", "lock 1 l me 1800000500000", "lock 1 l you 1800000500000", "lock 1 l me 1800000600000", "lock 1 l me 1",
	"message_record 5 msg w i2 a ti 3 n1 7 7 0 0 0 0 0", "message_record 5 msg2 w i2 a ti 3 n1 1800000000007 1800000000009 0 0 0 0 0",
	"message_record 5 msg2 w i2 a ti 2 n1 1800000000008 1800000000011 1 0 0 5 5 x ax 5", "message_record 5 msg2 w i2 a ti 1 n2 1800000000001 1800000000001 0 0 0 0 0",
	"message_record 5 msg2 w i2 a ti 3 n1 1800000000007 1800000000007 2 1 1 -3 9 x y z q ax 9 ay -3 az 4 aq 8",
	"message_record 5 msg2 w i2 a ti 0 n1 0 0 1 0 2 6 7 x q r ax 6 aq 7 ar 7", "message_record 5 msg2 w i2 a ti 0 n1 0 0 0 2 0 1 2 s t as 1 at 2",
	"message_record 5 msg2 w i2 a ti bad n1 0 0 1 0 0 1 1 x ax 1", "message_record 5 msg2 w i2 a ti 0 n1 0 0 1 0 0 6 6 x ax 6", "room_join 4 on m u d c1 5 web n1 u1", "room_join 4 m i u l c7 5 web n1 u1", "room_join 1 m",
	"ns_enter 0", "client_claim 1 seen u 1",
	"client_claim 1 ib u1 5", "inbox_add 2 nobody nobody:in 1 1800000900000 3", "inbox_add 2 ib ib:in 7 1800000900000 3",
	"inbox_add 2 ib ib:in 5 1 3", "inbox_add 2 ib ib:in 6 1800000800000 3", "inbox_add 2 ib ib:in 6 1800000800000 3",
	"inbox_add 2 ib ib:in 8 1800000950000 3", "inbox_add 2 ib ib:in 9 1800000900000 3", "inbox_add 2 ib ib:in 4 1800000900000 2",
	"inbox_told 1 ib 1", "inbox_told 1 ib 9", "inbox_told 1 ib 1", "inbox_told 1 nobody 1", "client_untoken 1 ib t", "client_untoken 1 nobody t",
	"message_finish 1 msg none", "message_finish 1 msg2 -", "message_finish 1 msg2 other",
	"message_settle 3 msg msg:f msg:t - 100 >> 1|2 c1 inbox|1| - mc1", "message_settle 3 msg2 msg2:f msg2:t - 100 >> and_|_more c1 inbox|1| - mc1 c2 live|1| - mc2 c3 optout|1| - mc3",
	"message_settle 3 msg2 msg2:f msg2:t run 30 >> and_|_more c1 delivered|2| - mc1 c2 pending|2|why first mc2 c4 apns|2| - mc4 c5 apns_failed|2|bad long-long-text mc5 c6 no_token|3| t6 mc6 c7 muted|3| t7 mc7",
	"message_settle 3 msg2 msg2:f msg2:t run 30 >> and_|_more c1 inbox|3| x mc1 c2 live|3|again - mc2 c3 apns|3| x mc3 c4 pending|3| x mc4 c8 muted|3| t8 mc8",
	"message_settle 3 msg2 msg2:f msg2:t run 30 >> and_|_more c2 apns|4| - mc2 c9 live|4| - mc9", "message_settle 3 msg2 msg2:f msg2:t run 30 >> and_|_more",
	"client_update 1 nobody 5 - mobile 1", "client_update 1 c 5 - mobile 1 system x", "client_update 1 c 6 u2 mobile 2", "client_update 1 c 7 eve mobile 3",
	"client_mute 2 nobody mute 2 1 a", "client_mute 2 c mute 2 2 a b", "client_mute 2 c mute 2 1 x a", "client_mute 2 c mute 2 1 a b", "client_mute 2 c mute 2 0 b zz",
	"client_mute 2 c mute 2 0", "client_adopt 2 nobody none t s", "client_adopt 2 c c:rooms t a b", "client_adopt 2 c c:rooms t a", "client_disown 2 c c:rooms t",
	"client_disown 2 c c:rooms t", "client_claim 1 k u1 5", "client_join 2 k k:rooms 5 n1 5|p|s a", "client_adopt 2 k k:rooms t a", "client_disown 2 k k:rooms a",
	"client_release 1 k 5 9 gone 99|9", "client_adopt 2 k k:rooms t2 a", "client_adopt 2 k k:rooms t3 x", "client_disown 2 k k:rooms a",
	"queue_enqueue 4 q:l q:r q:j q:d 0 a body b - c x", "queue_enqueue 4 q:l q:r q:j q:d 5000000 a other e later f more",
	"queue_take 5 q:l q:r q:j q:s q:w1 w1 30000 2 0", "queue_take 5 q:l q:r q:j q:s q:w1 w1 30000 2 1", "queue_take 5 q:l q:r q:j q:s q:w1 w1 30000 5 3",
	"queue_take 5 q:l q:r q:j q:s q:w1 w1 30000 0 3", "queue_take 5 q:l q:r q:j q:s q:w9 w9 30000 1 7", "queue_stats 4 q:l q:r q:j q:x", "queue_retry 3 q:w1 q:j q:l a 0 1 1 new",
	"queue_retry 3 q:w1 q:j q:l a 0 1 1 new", "queue_done 3 q:w1 q:j q:d 600000 2 b b zz", "queue_enqueue 4 q:l q:r q:j q:d 0 b again",
	"queue_bury 4 q:w1 q:j q:x q:y c reason 2", "queue_bury 4 q:w1 q:j q:x q:y c reason 2", "queue_requeue 4 q:x q:y q:r q:j 0 zz c c",
	"queue_take 5 q:l q:r q:j q:s q:w1 w1 -1 9 0", "queue_bury 4 q:w1 q:j q:x q:y c again 0", "queue_requeue 4 q:x q:y q:r q:j 9",
	"queue_take 5 q:l q:r q:j q:s q:w2 w2 30000 1 0", "queue_reclaim 4 q:r q:j q:s q:w2 w2 5", "queue_stats 4 q:l q:r q:j q:x", "queue_reclaim 4 q:r q:j q:s q:w1 w1 1",
	"queue_reclaim 4 q:r q:j q:s q:w1 w1 5", "queue_stats 4 q:l q:r q:j q:x", "queue_leave 3 q:r q:s q:w1 w1", "queue_take 5 q:l q:r q:j q:s q:w2 w2 30000 5 0",
	"queue_leave 3 q:r q:s q:w2 w2", "queue_done 3 q:w2 q:j q:d 600000 2 a",
	"client_claim 1 fg u1 5", "client_join 2 fg fg:rooms 5 n1 - a b", "client_forget 5 fg fg:rooms fg:gone fg:mute fg:inbox 10",
	"client_release 1 fg 5 9 gone 99|9", "client_forget 5 fg fg:rooms fg:gone fg:mute fg:inbox 8", "client_forget 5 fg fg:rooms fg:gone fg:mute fg:inbox 10",
	"client_forget 5 fg fg:rooms fg:gone fg:mute fg:inbox 10", "client_claim 1 fg u1 15", "client_join 2 fg fg:rooms 15 n1 - c", "client_release 1 fg 15 19 gone 99|9",
	"client_forget 5 fg fg:rooms fg:gone fg:mute fg:inbox 20", "ns_enter 3 fon fusers fseen c1 5 u1 1000", "ns_forget 1 fseen c1 999", "ns_forget 1 fseen c9 2000",
	"ns_forget 1 fseen c1 1000", "ns_update 1 fnsp /a - one", "ns_remove 1 fnsp /a two", "ns_remove 1 fnsp /a one", "ns_remove 1 fnsp /a one",
	"lock 1 flock me 1900000000000", "unlock 1 flock you", "unlock 1 flock me", "unlock 1 flock me",
	"ns_tally 3 tm th td 3 0 1900000000000 1900000000000 1900000000000", "ns_tally 3 tm th td 0 2 1900000000000 1900000000000 1900000000000",
	"ns_tally 3 tm th td 1 1 1900000000000 1900000000000 1900000000000",
	"once_begin 1 once p|r|o1 60000", "once_begin 1 once p|r|o2 60000", "once_free 1 once p|r|o2", "once_free 1 once p|r|o1", "once_free 1 once p|r|o1",
	"once_begin 1 once p|r|o3 60000",
	"ns_update 1 drop f - v", "hash_drop 1 drop f x", "hash_drop 1 drop f v", "hash_drop 1 drop f v", "hash_drop 1 nothing f v",
}

// TestStoreScriptParity runs them on both, by EVAL and by EVALSHA, and replays the log of it.
func TestStoreScriptParity(t *testing.T) {
	w := newTwins(t, false)
	w.both("HSET", "msg2", "expireAt", "1800000900000", "sendDate", "1800000000000", "ackCount", "0")
	used := map[string]string{}
	for i, call := range storeScripts {
		words := strings.Fields(call)
		text, err := os.ReadFile(filepath.Join("..", "store", "lua", words[0]+".lua"))
		if err != nil {
			t.Fatal(err)
		}
		for i, word := range words {
			if word == "-" {
				words[i] = ""
			}
		}
		args := append([]string{"EVAL", string(text)}, words[1:]...)
		if _, ok := used[words[0]]; ok && i%2 == 0 {
			args[0], args[1] = "EVALSHA", sha1Hex(string(text))
		}
		used[words[0]] = string(text)
		plain, ours := w.both(args...)
		if strings.Contains(plain, "NOSCRIPT") { // miniredis forgets a text that has failed
			args[0], args[1] = "EVAL", string(text)
			plain, ours = w.both(args...)
		}
		if plain != ours {
			t.Errorf("%s:\n     got %q\nminiredis %q", call, ours, plain)
		}
		w.sameData(t)
	}
	files, err := os.ReadDir(filepath.Join("..", "store", "lua"))
	if err != nil || len(files) != len(used) {
		t.Errorf("%d scripts were run of %d (%v)", len(used), len(files), err)
	}
	for name, text := range used {
		if c, err := compileChunk(text, chunkName); err != nil || c.changes {
			t.Errorf("%s is checked after every run (%v): slower than it could be", name, err)
		}
	}
	s := w.store
	s.mu.Lock()
	seq := s.log.appended
	s.mu.Unlock()
	if err := s.log.commit(seq); err != nil {
		t.Fatal(err)
	}
	wall := newClock()
	diff(t, "after kill", dump(open(t, Options{Dir: copyLog(t, s.opts.Dir, -1), Now: wall.now})), dump(s))
}

// TestScriptsAreAlone: nothing that a script does to its surroundings reaches the next.
func TestScriptsAreAlone(t *testing.T) {
	w := newTwins(t, false)
	const probe = `
		local seen = {}
		local function look(t, path)
			for k, v in next, t do
				local at = path .. '.' .. tostring(k)
				seen[#seen + 1] = at .. ' ' .. type(v)
				if type(v) == 'table' and v ~= _G and at ~= '.server' and k ~= '__index' then look(v, at) end
			end
		end
		look(_G, '')
		table.sort(seen)
		seen[#seen + 1] = tostring(pcall(function() return undefined end)) .. tostring(pcall(function() undefined = 1 end))
		seen[#seen + 1] = ('x'):rep(2) .. tostring(getmetatable(5)) .. tostring(getfenv(0) == _G) .. tostring(next(getmetatable(_G)))
		return seen`
	want := w.ours("EVAL", probe, "1", "k", "a")
	if !strings.HasPrefix(want, "*") || len(want) < 1000 {
		t.Fatalf("probe: %q", want)
	}
	for _, text := range []string{
		"rawset(_G, 'x', 1)", "rawset(_G, 'tostring', nil)", "rawset(_G, 'KEYS', nil)", "tostring = type", "string.x = 1", "string.rep = nil", "local s = ('').__index s.rep = nil", "table.insert(('').__index, 1)", "table.sort = nil",
		"for _, t in ipairs({redis, cjson}) do t.call = 5 end", "local t = server t.pcall = nil", "math.huge = 1", "cjson.encode = cjson.decode",
		"string.rep, string.sub = string.sub, string.rep", "redis.call = redis.pcall", "server = {}", "table.insert(redis, 1)", "cjson[1] = 1",
		"table.insert(_G, 5)", "getmetatable('').__index = function() end", "setmetatable(string, {})", "setmetatable(_G, nil)", "math.pi = 3",
		"getmetatable(_G).__index = nil", "getmetatable(_G).x = 1", "setfenv(0, {})", "_G._G = 5", "KEYS.x = 1 ARGV[1] = nil", "coroutine.wrap(function() error('x') end)()",
		"local f = coroutine.wrap(function() coroutine.yield() end) f()", "pcall(function() local t = {} t[nil] = 1 end)", "rawset(_G, {}, 1)", "rawset(string, 1.5, 2)",
		"xpcall(function() error('x') end, function() error('y') end)", "local n = 'set' loadstring('raw' .. n .. '(_G, \"x\", 1)')()", "setfenv(loadstring('x = 1'), getfenv(0))()",
		"for _, t in pairs(_G) do if type(t) == 'table' then rawset(t, 'mine', 1) end end", "local up = 0 rawset(_G, 'leak', function() up = up + 1 end)", "error('ends here')",
		"os.clock = nil", "collectgarbage() setmetatable(redis, {__index = string})", "rawset(_G, '\\0', 1)", "assert(pcall(setmetatable, 5, {__index = string}))",
	} {
		w.ours("EVAL", text, "1", "k", "a")
		if got := w.ours("EVAL", probe, "1", "k", "a"); got != want {
			t.Fatalf("%s is felt by the next script:\n%q\nwant\n%q", text, got, want)
		}
	}
	state := w.store.engine.lua
	if state == nil {
		t.Fatal("the probe has cost the state")
	}
	for _, text := range []string{"local t = {} t[1] = 2 table.sort(t) return t", "return redis.call('SET', 'a', 'b')", "rawset(_G, 'x', 1) rawset(_G, 'x', nil)"} {
		if reply := w.ours("EVAL", text, "0"); reply[0] == '-' {
			t.Error(text, reply)
		}
		if w.store.engine.lua != state {
			t.Errorf("%s: the state is not used again", text)
		}
	}
}

// TestScriptFailsHalfWay: what a script wrote before it failed stays, in memory and in the log, as one record.
func TestScriptFailsHalfWay(t *testing.T) {
	for _, text := range []string{"error('stop')", "redis.call('LPUSH', 'a', 1)", "redis.call('NONSENSE')", "x = 1", "redis.call('BLPOP', 'l', 0)",
		"while true do end", "while true do pcall(redis.call, 'GET', 'a') end", "while true do pcall(function() while true do end end) end",
		"coroutine.wrap(function() while true do end end)()", "coroutine.resume(coroutine.create(function() while true do end end)) while true do end",
		"local function f() return f() end f()", "local x = nil .. 'x'"} {
		dir := t.TempDir()
		s := open(t, Options{Dir: dir})
		s.mu.Lock()
		s.engine.scriptLimit = 20 * time.Millisecond
		s.mu.Unlock()
		c := dial(t, s)
		if _, err := do(t, c, fmt.Sprintf("EVAL %q 0", "redis.call('SET', 'a', 1) redis.call('SADD', 's', 1, 2) "+text+" redis.call('SET', 'never', 1)")); err == nil {
			t.Errorf("%s: no error", text)
		} else if strings.Contains(text, "while") && !strings.Contains(err.Error(), errScriptTime.Error()) {
			t.Errorf("%s: %v", text, err)
		}
		if v, err := do(t, c, "EXISTS a s never"); err != nil || fmt.Sprint(v) != "2" {
			t.Errorf("%s: %v keys, %v", text, v, err)
		}
		if n := s.Stats().RecordsWritten; n != 1 {
			t.Errorf("%s: %d records", text, n)
		}
		diff(t, text, dump(open(t, Options{Dir: copyLog(t, dir, -1)})), dump(s))
	}
}

// TestScriptSubscribed: a connection in subscribed mode gets no scripts executed.
func TestScriptSubscribed(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir()})
	conn, err := s.Dial(context.Background(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for _, step := range []struct {
		args []string
		want string
	}{
		{[]string{"SUBSCRIBE", "c"}, ":1\r\n"}, {[]string{"EVAL", "return redis.call('SET', 'a', 1)", "0"}, "-ERR Can't execute 'eval'"},
		{[]string{"SCRIPT", "FLUSH"}, "-ERR Can't execute 'script'"}, {[]string{"UNSUBSCRIBE", "c"}, ":0\r\n"}, {[]string{"EVAL", "return 7", "0"}, ":7\r\n"},
	} {
		if _, err := conn.Write(appendCommand(nil, step.args...)); err != nil {
			t.Fatal(err)
		}
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(line, step.want) {
				break
			}
			if line[0] == '-' || line[0] == ':' {
				t.Fatalf("%q: %q", step.args, line)
			}
		}
	}
	if s.Stats().RecordsWritten != 0 {
		t.Error("a refused script has written")
	}
}

// TestScriptMemory: different scripts without end cost a bounded amount of memory.
func TestScriptMemory(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir()})
	c := dial(t, s)
	run := func(from, to int) {
		for i := from; i < to; i++ {
			text := fmt.Sprintf("local n%d = {} n%d[1] = '%0512d' rawset(_G, 'g%d', 1) rawset(_G, 'g%d', nil) return #n%d", i, i, i, i, i, i)
			if v, err := c.Eval(context.Background(), text, nil).Int(); err != nil || v != 1 {
				t.Fatal(v, err)
			}
		}
	}
	used := func() int {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	run(0, 1000)
	before := used()
	run(1000, 11_000)
	if grown := used() - before; grown > 8<<20 {
		t.Errorf("%d bytes more after 10,000 scripts", grown)
	}
	if v, err := c.Eval(context.Background(), "return #ARGV[1]", nil, strings.Repeat("x", 20<<20)).Int(); err != nil || v != 20<<20 {
		t.Error(v, err)
	}
	if _, err := c.Eval(context.Background(), "return 1 --"+strings.Repeat("x", 5<<20), nil).Result(); err != nil {
		t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if scripts := s.engine.scripts; len(scripts.compiled) > maxCompiled || len(scripts.compiled) != scripts.recent.Len() || scripts.bytes > maxCompiledBytes {
		t.Errorf("%d scripts are kept, %d bytes", len(scripts.compiled), scripts.bytes)
	}
}

// TestLoadedScriptsStay: more scripts than are kept compiled stay known, also after a restart.
func TestLoadedScriptsStay(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	c := dial(t, s)
	ctx := context.Background()
	var shas []string
	for i := range maxCompiled + 100 {
		sha, err := c.ScriptLoad(ctx, fmt.Sprint("return ", i)).Result()
		if err != nil {
			t.Fatal(err)
		}
		shas = append(shas, sha)
	}
	check := func(c *redis.Client) {
		t.Helper()
		for i, sha := range shas {
			if v, err := c.EvalSha(ctx, sha, nil).Int(); err != nil || v != i {
				t.Fatalf("script %d: %v, %v", i, v, err)
			}
		}
	}
	check(c)
	want := dump(s)
	closeStore(t, s)
	s = open(t, Options{Dir: dir})
	diff(t, "restart", dump(s), want)
	check(dial(t, s))
}

// TestConcurrentScripts: connections that run scripts at once take turns, each script whole.
func TestConcurrentScripts(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	c := dial(t, s)
	ctx := context.Background()
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 200 {
				text := "local n = redis.call('INCR', 'n') redis.call('HINCRBY', 'h', ARGV[1], 1) return {n, redis.call('INCR', 'm'), ARGV[1]}"
				if i%20 == 0 {
					text = "rawset(_G, 'mine', ARGV[1]) " + text
				}
				v, err := c.Eval(ctx, text, nil, strconv.Itoa(w)).Slice()
				if err != nil || v[0] != v[1] || v[2] != strconv.Itoa(w) {
					t.Error(v, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got := c.Get(ctx, "n").Val(); got != "1600" {
		t.Errorf("n = %s", got)
	}
	diff(t, "after kill", dump(open(t, Options{Dir: copyLog(t, dir, -1)})), dump(s))
}
