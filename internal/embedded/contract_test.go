package embedded

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// contract is a session with every allowed write. want is the reply as fmt prints it; empty means any but an error,
// "!text" an error that contains the text.
var contract = []struct{ line, want string }{
	// strings
	{"SET s:a 1", "OK"}, {"SET s:ex v EX 100", "OK"}, {"SET s:px v PX 100000", "OK"}, {"SET s:exat v EXAT 1800000500", "OK"},
	{"SET s:pxat v PXAT 1800000500123", "OK"}, {"SET s:ex w KEEPTTL", "OK"}, {"SET s:a 2 NX", "!redis: nil"},
	{"SET s:a 2 XX GET", "1"}, {"SET s:nxget 1 NX GET", "!redis: nil"}, {"SET s:EX EX EX 50", "OK"},
	{"SET s:past v EXAT 5", "OK"}, {"SET s:bad v EX 0", "!invalid expire"}, {"SET s:bad v EX x", "!not an integer"},
	{"SET s:bad v EX 99999999999999999", "!invalid expire"}, {`SET s:bin "\x00\r\n\xff"`, "OK"},
	{"SETEX s:setex 100 v", "OK"}, {"PSETEX s:psetex 100500 v", "OK"}, {"SETEX s:bad 0 v", "!invalid expire"},
	{"SETNX s:nx 1", "1"}, {"SETNX s:nx 2", "0"}, {"GETSET s:nx 3", "1"}, {"SET s:gd 1", ""}, {"GETDEL s:gd", "1"},
	{"GETEX s:nx EX 70", "3"}, {"GETEX s:nx", "3"}, {"GETEX s:psetex PERSIST", "v"}, {"GETEX s:none EX 5", "!redis: nil"},
	{"MSET s:m1 1 s:m2 2", "OK"}, {"MSETNX s:m1 1 s:m3 2", "0"}, {"MSETNX s:m4 1 s:m5 2", "1"}, {"DELEX s:m5 IFEQ 2", "1"},
	{"INCR s:n", "1"}, {"INCRBY s:n 41", "42"}, {"INCRBYFLOAT s:f 0.1", ""}, {"INCRBYFLOAT s:f 0.2", ""}, {"DECR s:n", "41"},
	{"DECRBY s:n 2", "39"}, {"APPEND s:a xyz", "4"}, {"SETRANGE s:a 2 Q", "4"}, {"SETBIT s:bit 7 1", "0"},
	{"INCR s:bin", "!not an integer"},
	// keys
	{"EXPIRE s:m1 200", "1"}, {"PEXPIRE s:m2 200500", "1"}, {"EXPIREAT s:m4 1800000300", "1"},
	{"PEXPIREAT s:n 1800000400001", "1"}, {"EXPIRE s:n 5 NX", "0"}, {"EXPIRE s:n 50000 GT", "1"}, {"EXPIRE s:n 60 LT", "1"},
	{"EXPIRE s:none 5", "0"}, {"PERSIST s:m2", "1"}, {"SET s:del 1", ""}, {"EXPIRE s:del -1", "1"}, {"GET s:del", "!redis: nil"},
	{"SET s:u 1", ""}, {"UNLINK s:u s:none", "1"}, {"SET s:d 1", ""}, {"DEL s:d", "1"}, {"DEL s:d", "0"},
	{"RENAME s:px s:renamed", "OK"}, {"RENAMENX s:renamed s:a", "0"}, {"RENAME s:none x", "!no such key"},
	{"TTL s:renamed", "100"}, {"PTTL s:renamed", "100000"}, {"TTL s:none", "-2"}, {"TTL s:a", "-1"},
	{"PEXPIRETIME s:renamed", "1800000100000"}, {"EXPIRETIME s:renamed", "1800000100"},
	// hashes
	{"HSET h f1 a f2 b", "2"}, {"HSET h f1 c", "0"}, {"HMSET h f3 d", "OK"}, {"HSETNX h f3 x", "0"}, {"HSETNX h f4 x", "1"},
	{"HDEL h f2 none", "1"}, {"HINCRBY h n 7", "7"}, {"HINCRBYFLOAT h fl 0.25", ""}, {"HINCRBY h f1 1", "!not an integer"},
	{"EXPIRE h 1000", "1"}, {"HSET h2 a b", "1"}, {"HDEL h2 a", "1"}, {"EXISTS h2", "0"},
	// lists
	{"RPUSH l a b c d e f", "6"}, {"LPUSH l z y", "8"}, {"LPUSHX l x", "9"}, {"RPUSHX l none", "10"}, {"RPUSHX l:none x", "0"},
	{"LPOP l", "x"}, {"RPOP l", "none"}, {"LPOP l 2", "[y z]"}, {"LREM l 1 b", "1"}, {"LSET l 0 A", "OK"},
	{"LINSERT l BEFORE c B", "6"}, {"LTRIM l 0 4", "OK"}, {"LMOVE l l2 LEFT RIGHT", "A"}, {"RPOPLPUSH l l2", "e"},
	{"LMOVE l l2 LEFT SIDEWAYS", "!syntax"}, {"LMPOP 1 l LEFT COUNT 1", "[l [B]]"}, {"RPUSH l3 1", "1"}, {"LPOP l3", "1"},
	{"LMOVE l3 l2 LEFT LEFT", "!redis: nil"}, {"BLPOP l3 l2 1", "[l2 e]"}, {"BRPOP l2 1", "[l2 A]"}, {"RPUSH l2 p q r", "3"},
	{"BRPOPLPUSH l2 l4 1", "r"}, {"BLMOVE l2 l4 LEFT LEFT 1", "p"}, {"BLMOVE l2 l4 LEFT UP 1", "!syntax"},
	// sets
	{"SADD set a b c d e f g", "7"}, {"SADD set a", "0"}, {"SREM set a none", "1"}, {"SMOVE set set2 b", "1"}, {"SPOP set", ""},
	{"SPOP set 2", ""}, {"SPOP set:none", "!redis: nil"}, {"SDIFFSTORE set3 set set2", ""}, {"SINTERSTORE set4 set set", ""},
	{"SUNIONSTORE set5 set set2", ""}, {"EXPIRE set 77", "1"},
	// sorted sets
	{"ZADD z 1 a 2 b 3.5 c -inf low +inf high", "5"}, {"ZADD z GT 9 a", "0"}, {"ZINCRBY z 0.1 b", ""}, {"ZREM z c none", "1"},
	{"ZADD z 10 d 11 e 12 f 13 g 14 h", "5"}, {"ZREMRANGEBYSCORE z 10 10", "1"}, {"ZREMRANGEBYRANK z 0 0", "1"},
	{"ZADD lex 0 a 0 b 0 c", "3"}, {"ZREMRANGEBYLEX lex [a [b", "2"}, {"ZPOPMIN z", ""}, {"ZPOPMAX z 1", ""},
	{"ZMPOP 1 z MIN", ""}, {"ZUNIONSTORE z2 2 z lex", ""}, {"ZINTERSTORE z3 1 z", ""}, {"BZPOPMIN none z 1", ""},
	{"BZPOPMAX z 1", ""}, {"ZADD z x a", "!float"}, {"GEOADD geo 13.361389 38.115556 p 15.087269 37.502669 c", "2"},
	// streams
	{"XADD x * f 1", ""}, {"XADD x * f 2", ""}, {"XADD x MAXLEN ~ 100 LIMIT 10 * f 3", ""}, {"XADD x 1900000000000-5 f 4", ""},
	{"XADD x * f 5", "1900000000000-6"}, {"XADD x 1900000000001-* f 6", "1900000000001-0"}, {"XADD x 5-5 f 7", "!equal or smaller"},
	{"XADD x MAXLEN 5 * a b c d", ""}, {"XADD x NOMKSTREAM MINID = 0 * a b", ""}, {"XADD none NOMKSTREAM * a b", "!redis: nil"},
	{"XADD x * a", "!wrong number"}, {"XADD x MAXLEN ~ 1", "!wrong number"}, {"XTRIM x MAXLEN = 4", "2"},
	{"XDEL x 1900000000001-2", "1"}, {"XADD x * after del", "1900000000001-3"}, {"XADD empty 7-7 a b", "7-7"},
	{"XDEL empty 7-7", "1"}, {"XADD badid nope a b", "!Invalid stream ID"}, {"XADD x MINID 3-x-y * a b", "!Invalid"},
	{"XGROUP CREATE x g 0", "OK"}, {"XGROUP CREATE mk g $ MKSTREAM", "OK"}, {"XGROUP CREATECONSUMER x g idle", "1"},
	{"XREADGROUP GROUP g c1 COUNT 2 STREAMS x >", ""}, {"XREADGROUP GROUP g c2 BLOCK 5 STREAMS x >", ""},
	{"XREADGROUP GROUP g c2 BLOCK 5 STREAMS x >", "!redis: nil"}, {"XACK x g 1900000000001-0", ""},
	{"XCLAIM x g c3 0 1900000000001-1", ""}, {"XAUTOCLAIM x g c4 0 0 COUNT 1", ""}, {"XACK x g 1900000000001-3 nope", "!Invalid"},
	{"XGROUP CREATE x g2 $", "OK"}, {"XGROUP DESTROY x g2", "1"}, {"XGROUP CREATE none g2 $", "!requires the key"},
	{"XGROUP DELCONSUMER x g idle", "0"},
	// scripts
	{`EVAL "redis.call('SET', KEYS[1], ARGV[1]); return redis.call('INCRBY', KEYS[1], 5)" 1 e:a 10`, "15"},
	{`EVAL "redis.call('EXPIRE', KEYS[1], 30); return redis.call('TTL', KEYS[1])" 1 e:a`, "30"},
	{`EVAL "redis.call('SETEX', KEYS[1], 30, 'x'); return redis.call('PTTL', KEYS[1])" 1 e:b`, "30000"},
	{`EVAL "return redis.call('XADD', KEYS[1], '*', 'a', 'b')" 1 e:x`, "1800000000000-0"},
	{`EVAL "return redis.call('XADD', KEYS[1], 'MAXLEN', '~', 3, '*', 'a', 'b')" 1 e:x`, "1800000000000-1"},
	{`EVAL "local t = redis.call('TIME'); redis.call('SET', KEYS[1], t[1] .. '.' .. t[2]); return t[1]" 1 e:t`, "1800000000"},
	{`EVAL "redis.call('SADD', KEYS[1], 1, 2, 3, 4); return #redis.call('SPOP', KEYS[1], 2)" 1 e:s`, "2"},
	{`EVAL "redis.call('SET', KEYS[1], math.random(1000000)); return 1" 1 e:r`, "1"},
	{`EVAL "redis.call('SET', KEYS[1], 'half'); return redis.call('LPUSH', KEYS[1], 'x')" 1 e:half`, "!WRONGTYPE"},
	{`EVAL "redis.call('SET', KEYS[1], 'half'); error('stop')" 1 e:half2`, "!stop"},
	{`EVAL "redis.pcall('LPUSH', 's:a', 1); return redis.call('HSET', KEYS[1], 'a', 1, 'b', 2)" 1 e:h`, "2"},
	{`EVAL "redis.call('SET', KEYS[1], 1); redis.call('EXPIRE', KEYS[1], -1); return redis.call('EXISTS', KEYS[1])" 1 e:gone`, "0"},
	{`EVAL "return redis.call('RENAME', KEYS[1], KEYS[2])" 2 e:b e:c`, "OK"},
	{`EVAL_RO "return redis.call('GET', KEYS[1])" 1 e:a`, "15"},
	{`EVAL "return redis.call('XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 'x', '>')" 0`, "!does not support"},
	{`EVAL "return redis.call('BLPOP', 'l', 0)" 0`, "!not allowed"},
	{`SCRIPT LOAD "return redis.call('INCR', KEYS[1])"`, "61636018f4e6b5817b89791bbed242f93fa089e3"},
	{"EVALSHA 61636018f4e6b5817b89791bbed242f93fa089e3 1 e:n", "1"},
	{"EVALSHA ffffffffffffffffffffffffffffffffffffffff 1 e:n", "!NOSCRIPT"},
	// refused or unknown
	{"COPY s:a s:b", "!does not support COPY"}, {"RESTORE s:b 0 x", "!does not support RESTORE"}, {"PFADD p a", "!does not support"},
	{"HEXPIRE h 5 FIELDS 1 f1", "!does not support HEXPIRE"}, {"MOVE s:a 1", "!does not support"}, {"SELECT 1", "!does not support"},
	{"SELECT 0", "OK"}, {"SWAPDB 0 1", "!does not support"}, {"BZMPOP 1 1 z MIN", "!does not support"},
	{"GEORADIUS geo 15 37 200 km STORE g2", "!does not support"}, {"NONSENSE a", "!unknown command"}, {"GET", "!wrong number"},
	{"DEL", "!wrong number"}, {"OBJECT ENCODING s:a", "!does not support"},
	{"ZUNIONSTORE z 2 lex z", "!into one of its sources"},
	{"BITOP NOT a b", "!does not support"}, {"XTRIM x MAXLEN =", "!cannot execute this form"},
}

// fill runs the contract.
func fill(t *testing.T, c *redis.Client) {
	t.Helper()
	for _, step := range contract {
		v, err := do(t, c, step.line)
		got := fmt.Sprint(v)
		if err != nil {
			got = "!" + err.Error()
		}
		switch {
		case step.want == "" && err != nil,
			step.want != "" && step.want[0] != '!' && got != step.want,
			strings.HasPrefix(step.want, "!") && (err == nil || !strings.Contains(got, step.want[1:])):
			t.Errorf("%s: got %s, want %s", step.line, got, step.want)
		}
	}
}

// TestContract is the promise: after every allowed command the state survives close, kill, and compaction.
func TestContract(t *testing.T) {
	dir, wall := t.TempDir(), newClock()
	o := Options{Dir: dir, Now: wall.now, CompactMinBytes: -1, ExpireInterval: time.Hour}
	s := open(t, o)
	c := dial(t, s)
	fill(t, c)
	want := dump(s)

	killed := open(t, Options{Dir: copyLog(t, dir, -1), Now: wall.now})
	diff(t, "after kill", dump(killed), want)
	if err := s.Compact(); err != nil {
		t.Fatal(err)
	}
	diff(t, "compaction itself", dump(s), want)
	if _, err := do(t, c, "RPUSH l after compaction"); err != nil {
		t.Fatal(err)
	}
	want = dump(s)
	killed = open(t, Options{Dir: copyLog(t, dir, -1), Now: wall.now})
	diff(t, "after compaction and kill", dump(killed), want)
	closeStore(t, s)
	s = open(t, o)
	diff(t, "after compaction and close", dump(s), want)
	c = dial(t, s)
	for line, want := range map[string]string{
		"EVALSHA 61636018f4e6b5817b89791bbed242f93fa089e3 1 e:n": "2",
		"XADD x * f v":     "1900000000001-4",
		"XADD empty * f v": "1800000000000-0",
		"TTL e:a":          "30",
	} {
		if v, err := do(t, c, line); err != nil || fmt.Sprint(v) != want {
			t.Errorf("%s after restart: %v, %v; want %s", line, v, err, want)
		}
	}
}

// TestContractComplete holds the contract to the table: no allowed command without a step.
func TestContractComplete(t *testing.T) {
	var missing []string
	for _, w := range writes {
		if !slices.ContainsFunc(contract, func(s struct{ line, want string }) bool {
			return strings.HasPrefix(s.line, w.name+" ")
		}) && !strings.HasPrefix(w.name, "FLUSH") {
			missing = append(missing, w.name)
		}
	}
	if len(missing) > 0 {
		t.Errorf("no contract step for %v", missing)
	}
}

func TestFlush(t *testing.T) {
	for _, cmd := range []string{"FLUSHDB", "FLUSHALL"} {
		dir := t.TempDir()
		s := open(t, Options{Dir: dir})
		c := dial(t, s)
		for _, line := range []string{"SET a 1 EX 100", "XADD x 5-5 a b", cmd, "SET b 1", "XADD x 1-1 a b"} {
			if _, err := do(t, c, line); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		}
		want := dump(s)
		closeStore(t, s)
		diff(t, cmd, dump(open(t, Options{Dir: dir})), want)
	}
}

// TestFailingCommands sends every allowed command, in right and wrong forms, to keys of every type: whatever an error
// leaves behind must be the same after a restart.
func TestFailingCommands(t *testing.T) {
	dir, wall := t.TempDir(), newClock()
	s := open(t, Options{Dir: dir, Now: wall.now})
	c := dial(t, s)
	var lines []string
	for _, kind := range []string{"SET %s 5", "HSET %s f v", "RPUSH %s a b c", "SADD %s a b c", "ZADD %s 1 a 2 b", "XADD %s 1-1 f v"} {
		prefix := strings.Fields(kind)[0]
		for _, step := range contract {
			args := strings.Fields(step.line)
			if strings.HasPrefix(args[0], "B") || strings.HasPrefix(args[0], "EVAL") || strings.Contains(step.line, "BLOCK") ||
				strings.Contains(step.line, `"`) || len(args) < 2 || args[0] == "SELECT" {
				continue
			}
			for cut := 2; cut <= len(args); cut++ {
				key := fmt.Sprintf("%s:%s:%d", prefix, args[0], cut)
				form := slices.Clone(args[:cut])
				form[1] = key
				if args[0] == "XREADGROUP" || args[0] == "XGROUP" || args[0] == "LMPOP" || args[0] == "ZMPOP" {
					form[1] = args[1]
				}
				lines = append(lines, fmt.Sprintf(kind, key), strings.Join(form, " "))
			}
		}
	}
	for _, line := range lines {
		if _, err := do(t, c, line); err != nil {
			var re redis.Error
			if !errors.As(err, &re) {
				t.Fatalf("%s: %v", line, err)
			}
		}
	}
	diff(t, "after kill", dump(open(t, Options{Dir: copyLog(t, dir, -1), Now: wall.now})), dump(s))
	if err := s.Compact(); err != nil {
		t.Fatal(err)
	}
	diff(t, "after compaction", dump(open(t, Options{Dir: copyLog(t, dir, -1), Now: wall.now})), dump(s))
}
