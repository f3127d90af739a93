package embedded

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"unicode"

	"github.com/yuin/gopher-lua"
)

// openRedis adds the table redis, with what miniredis offers in it.
func (s *luaState) openRedis() {
	functions := map[string]lua.LGFunction{
		"call":               func(l *lua.LState) int { return s.call(l, true) },
		"pcall":              func(l *lua.LState) int { return s.call(l, false) },
		"error_reply":        luaErrorReply,
		"status_reply":       luaStatusReply,
		"sha1hex":            luaSHA1,
		"log":                func(l *lua.LState) int { l.CheckInt(1); l.CheckString(2); return 0 },
		"replicate_commands": func(l *lua.LState) int { l.Push(lua.LTrue); return 1 },
		"set_repl":           func(l *lua.LState) int { checkCount(l, 1); return 1 },
		"setresp":            luaSetResp,
	}
	t := s.l.CreateTable(0, 16)
	for name, f := range functions {
		t.RawSetString(name, s.l.NewFunction(f))
	}
	for i, name := range []string{"LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING"} {
		t.RawSetString(name, lua.LNumber(i))
	}
	s.globals.RawSetString("redis", t)
	s.globals.RawSetString("server", t)
}

const (
	unknownCommand = "ERR unknown command"
	readOnlyScript = "Write commands are not allowed in read-only scripts"
)

// call is redis.call and redis.pcall: the former raises an error reply, the latter returns it.
func (s *luaState) call(l *lua.LState, raise bool) int {
	s.guard.steps -= callSteps
	n := l.GetTop()
	if n == 0 {
		return fail(l, "Please specify at least one argument for this redis lib call script: "+s.sha+", &c.")
	}
	args := make([]string, n) // miniredis may keep it
	for i := range args {
		switch a := l.Get(i + 1).(type) {
		case lua.LString:
			args[i] = string(a)
		case lua.LNumber:
			args[i] = numberText(a)
		default:
			return fail(l, "Lua redis lib command arguments must be strings or integers script: "+s.sha+", &c.")
		}
	}
	var v lua.LValue
	err := errors.New(readOnlyScript)
	if !s.readOnly || s.e.table.isRead(args[0]) || !s.e.table.isKnown(args[0]) {
		v, _, err = luaValue(l, s.e.nested(args))
	}
	if err == nil {
		l.Push(v)
		return 1
	}
	text := err.Error()
	unknown := strings.Contains(text, unknownCommand)
	switch {
	case raise && unknown:
		return fail(l, "Unknown Redis command called from script script: "+s.sha+", &c.")
	case raise:
		return fail(l, text)
	case unknown:
		text = "ERR Unknown Redis command called from script"
	}
	l.Push(fieldTable(l, "err", text))
	return 1
}

// fail raises an error with the position of the script.
func fail(l *lua.LState, text string) int {
	l.Error(lua.LString(text), 1)
	return 0
}

func checkCount(l *lua.LState, n int) {
	if l.GetTop() != n {
		fail(l, "wrong number of arguments")
	}
}

func fieldTable(l *lua.LState, name, value string) *lua.LTable {
	t := l.CreateTable(0, 1)
	t.RawSetString(name, lua.LString(value))
	return t
}

func numberText(n lua.LNumber) string {
	if i := int64(n); lua.LNumber(i) == n {
		return strconv.FormatInt(i, 10)
	}
	return n.String()
}

// luaErrorReply is redis.error_reply: {err = text}, where a text of one word becomes ERR and the word.
func luaErrorReply(l *lua.LState) int {
	text, ok := l.Get(1).(lua.LString)
	if !ok {
		return fail(l, "wrong number or type of arguments")
	}
	code, rest, more := strings.Cut(string(text), " ")
	code = strings.TrimPrefix(code, "-")
	if more {
		code += " " + rest
	} else {
		code = "ERR " + code
	}
	l.Push(fieldTable(l, "err", code))
	return 1
}

// luaStatusReply is redis.status_reply: {ok = text}.
func luaStatusReply(l *lua.LState) int {
	text, ok := l.Get(1).(lua.LString)
	if !ok {
		return fail(l, "wrong number or type of arguments")
	}
	l.Push(fieldTable(l, "ok", string(text)))
	return 1
}

func luaSHA1(l *lua.LState) int {
	checkCount(l, 1)
	l.Push(lua.LString(sha1Hex(lua.LVAsString(l.Get(1)))))
	return 1
}

// luaSetResp accepts what Redis accepts and changes nothing: scripts get replies of RESP2.
func luaSetResp(l *lua.LState) int {
	if v := l.CheckInt(1); v != 2 && v != 3 {
		fail(l, "RESP version must be 2 or 3")
	}
	return 0
}

var errReply = errors.New("ERR unexpected reply")

// luaValue turns the RESP2 reply at the start of b into a Lua value and returns what follows it. An error reply is the
// error.
func luaValue(l *lua.LState, b []byte) (v lua.LValue, rest []byte, err error) {
	end := bytes.IndexByte(b, '\n')
	if end < 2 {
		return nil, nil, errReply
	}
	line := string(b[1 : end-1])
	rest = b[end+1:]
	switch b[0] {
	case '+':
		return fieldTable(l, "ok", line), rest, nil
	case '-':
		return nil, rest, errors.New(line)
	}
	n, err := strconv.ParseInt(line, 10, 64)
	if err != nil {
		return nil, nil, errReply
	}
	switch {
	case b[0] == ':':
		return lua.LNumber(n), rest, nil
	case n < 0:
		return lua.LFalse, rest, nil
	case b[0] == '$' && n <= int64(len(rest)-2):
		return lua.LString(rest[:n]), rest[n+2:], nil
	case b[0] == '*' && n <= int64(len(rest)):
		t := l.CreateTable(int(n), 0)
		for range n {
			if v, rest, err = luaValue(l, rest); err != nil {
				return nil, nil, err
			}
			t.Append(v)
		}
		return t, rest, nil
	}
	return nil, nil, errReply
}

const (
	maxReplyDepth = 128
	maxReplyBytes = maxUnread
)

var (
	errReplyDepth = errors.New("ERR reached the limit of nested tables in the reply of a script")
	errReplyBytes = errors.New("ERR the reply of a script is too large")
)

// appendLua appends the reply that Redis gives for what a script returns.
func appendLua(dst []byte, v lua.LValue, resp3 bool) []byte {
	w := luaWriter{out: dst, limit: len(dst) + maxReplyBytes, null: nilReply}
	if resp3 {
		w.null = nil3Reply
	}
	if err := w.add(v, 0); err != nil {
		return append(dst, errorReply(err)...)
	}
	return w.out
}

type luaWriter struct {
	out   []byte
	limit int
	null  string
}

func (w *luaWriter) add(v lua.LValue, depth int) error {
	switch v := v.(type) {
	case lua.LNumber:
		w.out = strconv.AppendInt(append(w.out, ':'), int64(v), 10)
		w.out = append(w.out, '\r', '\n')
	case lua.LString:
		w.out = appendBulk(w.out, string(v))
	case *lua.LTable:
		return w.table(v, depth)
	default: // nil, false, and what has no counterpart
		if v == lua.LTrue {
			w.out = appendHead(w.out, ':', 1)
		} else {
			w.out = append(w.out, w.null...)
		}
	}
	if len(w.out) > w.limit {
		return errReplyBytes
	}
	return nil
}

// table adds an error, a status, or the list up to the first nil.
func (w *luaWriter) table(t *lua.LTable, depth int) error {
	if depth >= maxReplyDepth {
		return errReplyDepth
	}
	if text := t.RawGetString("err"); text != lua.LNil {
		w.out = appendInline(w.out, '-', text.String())
		return nil
	}
	if text := t.RawGetString("ok"); text != lua.LNil {
		w.out = appendInline(w.out, '+', text.String())
		return nil
	}
	n := 0
	for t.RawGetInt(n+1) != lua.LNil {
		n++
	}
	w.out = appendHead(w.out, '*', n)
	for i := range n {
		if err := w.add(t.RawGetInt(i+1), depth+1); err != nil {
			return err
		}
	}
	if len(w.out) > w.limit {
		return errReplyBytes
	}
	return nil
}

// appendHead appends a line of a mark and a number: the length of an array, an integer.
func appendHead(dst []byte, mark byte, n int) []byte {
	return append(strconv.AppendInt(append(dst, mark), int64(n), 10), '\r', '\n')
}

// appendInline appends a status or an error, which is one line: white space becomes spaces.
func appendInline(dst []byte, mark byte, text string) []byte {
	dst = append(dst, mark)
	dst = append(dst, strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		return r
	}, text)...)
	return append(dst, '\r', '\n')
}
