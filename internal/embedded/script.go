package embedded

import (
	"bytes"
	"container/list"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
)

// Scripts run here, not in miniredis, which builds a Lua state of 200 KB for every call. A script is compiled once and
// runs on a state that is used again (lua.go).

// Limits of the scripts that are kept compiled, and with them of those known from EVAL alone. Bytes are of text, whose
// compiled form is several times as large.
const (
	maxCompiled      = 512
	maxCompiledBytes = 1 << 20
	maxCompiledText  = maxCompiledBytes / 4 // a larger one is compiled whenever it is used
)

// script is a compiled script.
type script struct {
	sha, text string
	chunk
}

// scriptCache holds the texts given to SCRIPT LOAD until SCRIPT FLUSH, and the compiled form of what was used last. What
// only EVAL has brought may fall out, as in Redis.
type scriptCache struct {
	loaded   map[string]string        // by SHA-1; these are in the log
	compiled map[string]*list.Element // by SHA-1, of recent
	recent   list.List                // of *script, the last used first
	bytes    int
}

func newScriptCache() *scriptCache {
	return &scriptCache{loaded: map[string]string{}, compiled: map[string]*list.Element{}}
}

// find returns the script with that SHA-1, or nil.
func (c *scriptCache) find(sha string) (*script, error) {
	if at, ok := c.compiled[sha]; ok {
		c.recent.MoveToFront(at)
		return at.Value.(*script), nil
	}
	if text, ok := c.loaded[sha]; ok {
		return c.compile(sha, text, chunkName)
	}
	return nil, nil
}

// compile compiles a text that find does not know.
func (c *scriptCache) compile(sha, text, name string) (*script, error) {
	compiled, err := compileChunk(text, name)
	if err != nil {
		return nil, err
	}
	s := &script{sha: sha, text: text, chunk: compiled}
	if len(text) > maxCompiledText {
		return s, nil
	}
	c.compiled[sha] = c.recent.PushFront(s)
	c.bytes += len(text)
	for c.recent.Len() > maxCompiled || c.bytes > maxCompiledBytes {
		old := c.recent.Remove(c.recent.Back()).(*script)
		delete(c.compiled, old.sha)
		c.bytes -= len(old.text)
	}
	return s, nil
}

func (c *scriptCache) known(sha string) bool {
	if _, ok := c.compiled[sha]; ok {
		return true
	}
	_, ok := c.loaded[sha]
	return ok
}

func (c *scriptCache) load(sha, text string) { c.loaded[sha] = text }

func (c *scriptCache) flush() { *c = *newScriptCache() }

func sha1Hex(text string) string {
	sum := sha1.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

var (
	errNoScript    = errors.New("NOSCRIPT No matching script. Please use EVAL.")
	errNotInteger  = errors.New("ERR value is not an integer or out of range")
	errNumKeys     = errors.New("ERR Number of keys can't be greater than number of args")
	errNegativeNum = errors.New("ERR Number of keys can't be negative")
)

// script runs EVAL, EVALSHA and their read-only forms. Every write of the script is an effect of its own, so a script
// that fails half-way leaves in the log exactly what it left in memory.
func (e *engine) script(s *spec, args []string) []byte {
	if len(args) < 3 {
		return e.run(args...) // miniredis says how many it takes
	}
	if refused := e.whileSubscribed(s); refused != nil {
		return refused
	}
	byText := strings.HasPrefix(s.name, "EVAL") && !strings.HasPrefix(s.name, "EVALSHA")
	sha := strings.ToLower(args[1])
	if byText {
		sha = sha1Hex(args[1])
	}
	code, err := e.scripts.find(sha)
	if err == nil && code == nil && !byText {
		return errorReply(errNoScript)
	}
	keys, perr := strconv.Atoi(args[2])
	switch {
	case perr != nil:
		return errorReply(errNotInteger)
	case keys < 0:
		return errorReply(errNegativeNum)
	case keys > len(args)-3:
		return errorReply(errNumKeys)
	}
	if err == nil && code == nil {
		code, err = e.scripts.compile(sha, args[1], chunkName)
	}
	if err != nil {
		return scriptError(err)
	}
	return e.eval(code, args[3:3+keys], args[3+keys:], strings.HasSuffix(s.name, "_RO"))
}

// eval runs a script on the idle Lua state. Its commands get replies of RESP2, whatever the connection speaks.
func (e *engine) eval(code *script, keys, argv []string, readOnly bool) (reply []byte) {
	ctx, resp3 := e.peer.Ctx, e.peer.Resp3
	e.attach(e.home)
	state := e.lua
	e.lua = nil
	if state == nil {
		state = newLuaState(e)
	}
	defer func() {
		e.peer.Ctx, e.peer.Resp3 = ctx, resp3
		if r := recover(); r != nil { // the state is lost, the store is not
			reply = panicReply([]string{"EVAL"}, r)
		}
	}()
	if cap(e.answer) > 1<<20 {
		e.answer = nil
	}
	var reusable bool
	e.answer, reusable = state.run(e.answer[:0], code, keys, argv, readOnly, resp3)
	if reusable {
		e.lua = state
	}
	return e.answer
}

// whileSubscribed returns the refusal of a command on a connection in subscribed mode, which miniredis knows, or nil.
func (e *engine) whileSubscribed(s *spec) []byte {
	if !e.subscribed {
		return nil
	}
	reply := e.run("ECHO", "")
	if reply[0] != '-' {
		return nil
	}
	return bytes.Replace(reply, []byte("'echo'"), []byte("'"+strings.ToLower(s.name)+"'"), 1)
}

// load runs SCRIPT LOAD, FLUSH and EXISTS; loaded scripts outlive a restart.
func (e *engine) load(s *spec, args []string) []byte {
	if refused := e.whileSubscribed(s); refused != nil {
		return refused
	}
	switch {
	case len(args) == 3 && strings.EqualFold(args[1], "LOAD"):
		sha := sha1Hex(args[2])
		if !e.scripts.known(sha) {
			if _, err := e.scripts.compile(sha, args[2], "user_script"); err != nil {
				return scriptError(err)
			}
		}
		if _, ok := e.scripts.loaded[sha]; !ok {
			e.effects.add("SCRIPT", "LOAD", args[2])
			e.scripts.load(sha, args[2])
		}
		return appendBulk(nil, sha)
	case len(args) > 2 && strings.EqualFold(args[1], "EXISTS"):
		reply := appendHead(nil, '*', len(args)-2)
		for _, sha := range args[2:] {
			n := 0
			if e.scripts.known(strings.ToLower(sha)) {
				n = 1
			}
			reply = appendHead(reply, ':', n)
		}
		return reply
	case isFlush(args):
		e.effects.add("SCRIPT", "FLUSH")
		e.scripts.flush()
		return []byte(okReply)
	}
	return e.run(args...) // miniredis says what is wrong
}

func isFlush(args []string) bool {
	return len(args) > 1 && strings.EqualFold(args[1], "FLUSH") && (len(args) == 2 ||
		len(args) == 3 && (strings.EqualFold(args[2], "SYNC") || strings.EqualFold(args[2], "ASYNC")))
}

// replayLoad executes SCRIPT LOAD and FLUSH of the log. Nothing is compiled before it is used.
func (e *engine) replayLoad(args []string) {
	switch {
	case len(args) == 3 && strings.EqualFold(args[1], "LOAD"):
		e.scripts.load(sha1Hex(args[2]), args[2])
	case isFlush(args):
		e.scripts.flush()
	}
}

// nested executes a command of a script. The reply is valid until the next run.
func (e *engine) nested(args []string) []byte {
	s := e.table.lookup(args[0])
	if s == nil {
		return e.run(args...) // miniredis says that it does not know it
	}
	if err := checkNested(s, args); err != nil {
		return errorReply(err)
	}
	switch s.kind {
	case kindWrite:
		return e.write(s, args)
	case kindLifetime:
		return e.lifetime(s, args)
	case kindTime:
		return e.time()
	}
	return e.run(args...)
}

var errNested = errors.New("ERR This Redis command is not allowed from script")

// checkNested refuses what a script cannot do here: to wait, to change the connection, and to use consumer groups.
func checkNested(s *spec, args []string) error {
	switch s.kind {
	case kindWrite:
		if s.wall {
			return errRefused(s.name + " inside scripts")
		}
	case kindRead:
		if s.wall || s.name == "XREAD" && hasOption(args, 1, "BLOCK") {
			return errRefused(s.name + " in this form inside scripts")
		}
		return checkRead(s, args)
	case kindRefused:
		return errRefused(s.name)
	case kindLifetime, kindTime, kindPublish:
	default:
		return errNested
	}
	return nil
}
