package embedded

import "strings"

// kind says how a command is treated.
type kind uint8

const (
	kindRefused  kind = iota // known to miniredis, not to the log
	kindRead                 // executed, never logged
	kindWrite                // rewritten, executed, logged
	kindLifetime             // TTL and PTTL: answered from PEXPIRETIME and the wall clock
	kindTime                 // TIME: answered from the wall clock
	kindScript               // EVAL and the like: executed, the script's writes are logged
	kindLoad                 // SCRIPT
	kindBlocking             // waits for data; its non-blocking form is logged
	kindMulti                // MULTI, EXEC, DISCARD, WATCH, UNWATCH
	kindSession              // changes or reads the connection
	kindPubSub               // enters or leaves subscribed mode
	kindPublish              // executed, never logged
)

// spec is one row of the command table.
type spec struct {
	name string
	kind kind
	// idle lists the replies that prove that nothing was changed, so nothing is logged.
	idle []string
	// wakes is the position of the key whose waiters may find data after the command; 0 means none.
	wakes int
	// rewrite returns the deterministic form; nil means the command is deterministic as it is.
	rewrite func(e *engine, args []string) ([]string, error)
	// effect returns what to log when that depends on the reply; nil means the executed form.
	effect func(args []string, reply []byte) ([]string, error)
	// stores means that the result goes to the first key. miniredis keeps an empty result as an empty collection; the
	// key is deleted, as Redis does.
	stores bool
	// wall means that the command reads miniredis' clock as the time of day (consumer groups).
	wall bool
	// joins means that what it does to one of its keys depends on another one.
	joins bool
}

const (
	okReply    = "+OK\r\n"
	zeroReply  = ":0\r\n"
	nilReply   = "$-1\r\n"
	nil3Reply  = "_\r\n"
	nilArray   = "*-1\r\n"
	emptyArray = "*0\r\n"
)

var (
	idleZero = []string{zeroReply}
	idleNil  = []string{nilReply, nil3Reply, nilArray, emptyArray}
)

// writes is the allow-list: a write that is not here is refused.
var writes = []spec{
	// keys
	{name: "DEL", idle: idleZero}, {name: "UNLINK", idle: idleZero},
	{name: "EXPIRE", idle: idleZero, rewrite: rewriteExpire}, {name: "PEXPIRE", idle: idleZero, rewrite: rewriteExpire},
	{name: "EXPIREAT", idle: idleZero, rewrite: rewriteExpire}, {name: "PEXPIREAT", idle: idleZero, rewrite: rewriteExpire},
	{name: "PERSIST", idle: idleZero},
	{name: "RENAME", joins: true, wakes: 2}, {name: "RENAMENX", joins: true, idle: idleZero, wakes: 2},
	{name: "FLUSHDB"}, {name: "FLUSHALL"},
	// strings
	{name: "SET", rewrite: rewriteSet}, {name: "SETEX", rewrite: rewriteSetex}, {name: "PSETEX", rewrite: rewriteSetex},
	{name: "GETEX", idle: idleNil, rewrite: rewriteGetex},
	{name: "SETNX", idle: idleZero}, {name: "GETSET"}, {name: "GETDEL", idle: idleNil}, {name: "DELEX", idle: idleZero},
	{name: "MSET"}, {name: "MSETNX", joins: true, idle: idleZero},
	{name: "INCR"}, {name: "INCRBY"}, {name: "INCRBYFLOAT"}, {name: "DECR"}, {name: "DECRBY"},
	{name: "APPEND"}, {name: "SETRANGE"}, {name: "SETBIT"},
	// hashes
	{name: "HSET"}, {name: "HMSET"}, {name: "HSETNX", idle: idleZero}, {name: "HDEL", idle: idleZero},
	{name: "HINCRBY"}, {name: "HINCRBYFLOAT"},
	// lists
	{name: "LPUSH", wakes: 1}, {name: "RPUSH", wakes: 1}, {name: "LPUSHX", idle: idleZero}, {name: "RPUSHX", idle: idleZero},
	{name: "LPOP", idle: idleNil}, {name: "RPOP", idle: idleNil}, {name: "LMPOP", joins: true, idle: idleNil},
	{name: "LREM", idle: idleZero}, {name: "LTRIM"}, {name: "LSET"}, {name: "LINSERT", idle: idleZero},
	{name: "LMOVE", joins: true, idle: idleNil, wakes: 2, rewrite: rewriteLmove}, {name: "RPOPLPUSH", joins: true, idle: idleNil, wakes: 2},
	// sets
	{name: "SADD", idle: idleZero}, {name: "SREM", idle: idleZero}, {name: "SMOVE", joins: true, idle: idleZero},
	{name: "SPOP", idle: idleNil, effect: effectSpop},
	{name: "SDIFFSTORE", joins: true, stores: true}, {name: "SINTERSTORE", joins: true, stores: true}, {name: "SUNIONSTORE", joins: true, stores: true},
	// sorted sets
	{name: "ZADD", wakes: 1}, {name: "ZINCRBY", wakes: 1}, {name: "ZREM", idle: idleZero},
	{name: "ZREMRANGEBYLEX", idle: idleZero}, {name: "ZREMRANGEBYRANK", idle: idleZero},
	{name: "ZREMRANGEBYSCORE", idle: idleZero},
	{name: "ZPOPMIN", idle: idleNil}, {name: "ZPOPMAX", idle: idleNil}, {name: "ZMPOP", joins: true, idle: idleNil},
	{name: "ZUNIONSTORE", joins: true, wakes: 1, stores: true, rewrite: rewriteZstore}, {name: "ZINTERSTORE", joins: true, wakes: 1, stores: true, rewrite: rewriteZstore},
	{name: "GEOADD", wakes: 1},
	// streams
	{name: "XADD", idle: idleNil, wakes: 1, rewrite: rewriteXadd, effect: effectXadd},
	{name: "XTRIM", idle: idleZero}, {name: "XDEL", idle: idleZero},
	{name: "XGROUP", wall: true}, {name: "XACK"}, {name: "XCLAIM", wall: true}, {name: "XAUTOCLAIM", wall: true},
	{name: "XREADGROUP", joins: true, idle: idleNil, wall: true},
}

// others is everything that is neither in writes nor marked read-only by miniredis.
var others = map[kind][]string{
	kindLifetime: {"TTL", "PTTL"},
	kindTime:     {"TIME"},
	kindScript:   {"EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO"},
	kindLoad:     {"SCRIPT"},
	kindBlocking: {"BLPOP", "BRPOP", "BRPOPLPUSH", "BLMOVE", "BZPOPMIN", "BZPOPMAX"},
	kindMulti:    {"MULTI", "EXEC", "DISCARD", "WATCH", "UNWATCH"},
	kindSession:  {"AUTH", "CLIENT", "HELLO", "PING", "QUIT", "SELECT"},
	kindPubSub:   {"SUBSCRIBE", "UNSUBSCRIBE", "PSUBSCRIBE", "PUNSUBSCRIBE"},
	kindPublish:  {"PUBLISH"},
	kindRead: {"ECHO", "PUBSUB", "INFO", "CLUSTER", "COMMAND", "MEMORY", "XINFO", "WAIT",
		"GEORADIUS", "GEORADIUSBYMEMBER",
		// Known to be reads without asking, for speed.
		"GET", "MGET", "EXISTS", "TYPE", "HGET", "HMGET", "HGETALL", "HLEN", "HEXISTS", "LLEN", "LRANGE", "SISMEMBER",
		"SMEMBERS", "SCARD", "ZRANGE", "ZRANGEBYSCORE", "ZSCORE", "ZCARD", "XLEN", "XRANGE", "XREAD", "PEXPIRETIME"},
	// Marked read-only by miniredis, but they show what the log cannot bring back.
	kindRefused: {"DUMP", "PFCOUNT", "HTTL", "HPTTL"},
}

// wallReads read miniredis' clock as the time of day.
var wallReads = []string{"XINFO", "XPENDING"}

// commandTable holds the commands by upper-case and by lower-case name (go-redis sends the latter).
type commandTable struct {
	byName map[string]*spec
	// isRead and isKnown ask miniredis about the names that are not in the table.
	isRead, isKnown func(string) bool
}

func newCommandTable(isRead, isKnown func(string) bool) *commandTable {
	t := &commandTable{byName: map[string]*spec{}, isRead: isRead, isKnown: isKnown}
	for k, names := range others {
		for _, name := range names {
			t.put(&spec{name: name, kind: k})
		}
	}
	for i := range writes {
		s := writes[i]
		s.kind = kindWrite
		t.put(&s)
	}
	for _, name := range wallReads {
		t.put(&spec{name: name, kind: kindRead, wall: true})
	}
	return t
}

func (t *commandTable) put(s *spec) {
	t.byName[s.name] = s
	t.byName[strings.ToLower(s.name)] = s
}

// lookup returns nil for a command miniredis has never heard of.
func (t *commandTable) lookup(name string) *spec {
	if s, ok := t.byName[name]; ok {
		return s
	}
	name = strings.ToUpper(name)
	if s, ok := t.byName[name]; ok {
		return s
	}
	switch {
	case t.isRead(name):
		return &spec{name: name, kind: kindRead}
	case t.isKnown(name):
		return &spec{name: name, kind: kindRefused}
	}
	return nil
}

// isIdle reports whether the reply proves that the command changed nothing. An error proves that only when it is about
// the number of arguments: several commands change something before they fail.
func (s *spec) isIdle(args []string, reply []byte) bool {
	for _, r := range s.idle {
		if string(reply) == r {
			return true
		}
	}
	if args[0] == "GET" { // a GETEX without option
		return true
	}
	if s.name == "SET" && (string(reply) == nilReply || string(reply) == nil3Reply) {
		return !hasOption(args, 3, "GET") // SET NX GET answers nil when it did set
	}
	return strings.HasPrefix(string(reply[:min(len(reply), 40)]), "-ERR wrong number of arguments for")
}

// hasOption reports whether an argument from position from on is the option.
func hasOption(args []string, from int, option string) bool {
	for i := from; i < len(args); i++ {
		if strings.EqualFold(args[i], option) {
			return true
		}
	}
	return false
}
