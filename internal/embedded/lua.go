package embedded

import (
	"errors"
	"slices"
	"time"

	luajson "github.com/alicebob/miniredis/v2/gopher-json"
	"github.com/yuin/gopher-lua"
)

const (
	luaStack    = 1024 // values on a state's stack at first; unpack may need many more
	luaStackMax = 16 << 10

	// maxStateUses bounds what scripts can leave in a state without a trace: a table remembers the keys it once had.
	maxStateUses = 10_000
)

// luaState is a Lua state that runs one script after the other. None finds anything of those before it: what a script
// could have changed is compared with how it was, and a state that differs, or in which a script failed, is not used
// again. Guarded by Server.mu.
type luaState struct {
	l     *lua.LState
	e     *engine
	guard guard
	uses  int

	globals *lua.LTable
	shape   map[*lua.LTable]*tableShape

	// Of the script that runs.
	sha      string
	readOnly bool
}

// tableShape is what a table holds when a script starts.
type tableShape struct {
	meta         lua.LValue
	keys, values []lua.LValue // in the order of next()
}

func newLuaState(e *engine) *luaState {
	l := lua.NewState(lua.Options{SkipOpenLibs: true, RegistrySize: luaStack, RegistryMaxSize: luaStackMax, RegistryGrowStep: luaStack})
	s := &luaState{l: l, e: e, globals: l.G.Global}
	s.guard.limit = e.scriptLimit
	for _, open := range []lua.LGFunction{lua.OpenBase, lua.OpenCoroutine, lua.OpenTable, lua.OpenString, lua.OpenMath} {
		l.Push(l.NewFunction(open))
		l.Call(0, 0)
	}
	l.Push(l.NewFunction(luajson.Loader))
	l.Call(0, 1)
	l.SetGlobal("cjson", l.Get(-1))
	l.SetTop(0)
	s.restrict()
	s.openRedis()
	s.dropArguments()
	s.protectGlobals()
	l.SetContext(&s.guard)
	s.remember()
	return s
}

// restrict takes away what reaches out of the state, and replaces what would let a script reach further than here.
func (s *luaState) restrict() {
	for _, name := range []string{"dofile", "loadfile", "print", "_printregs", "module", "require", "newproxy"} {
		s.globals.RawSetString(name, lua.LNil)
	}
	replace := func(table *lua.LTable, name string, by func(original lua.LGFunction) lua.LGFunction) {
		original := table.RawGetString(name).(*lua.LFunction).GFunction
		table.RawSetString(name, s.l.NewFunction(by(original)))
	}
	replace(s.globals, "setmetatable", func(original lua.LGFunction) lua.LGFunction {
		return func(l *lua.LState) int {
			l.CheckTable(1) // gopher-lua would change the metatable of all numbers, or all strings
			return original(l)
		}
	})
	replace(s.globals, "collectgarbage", func(lua.LGFunction) lua.LGFunction {
		return func(*lua.LState) int { return 0 } // it is the process' own
	})
	coroutine := s.globals.RawGetString("coroutine").(*lua.LTable)
	replace(coroutine, "create", func(original lua.LGFunction) lua.LGFunction {
		return func(l *lua.LState) int {
			n := original(l)
			l.ToThread(-1).SetContext(&s.guard)
			return n
		}
	})
	replace(coroutine, "wrap", func(original lua.LGFunction) lua.LGFunction {
		return func(l *lua.LState) int {
			n := original(l)
			l.ToFunction(-1).Upvalues[0].Value().(*lua.LState).SetContext(&s.guard)
			return n
		}
	})
	start := time.Now()
	s.l.RegisterModule("os", map[string]lua.LGFunction{"clock": func(l *lua.LState) int {
		l.Push(lua.LNumber(time.Since(start).Seconds()))
		return 1
	}})
}

// protectGlobals makes the use of an undefined global an error, as Redis does.
func (s *luaState) protectGlobals() {
	refuse := func(what string) *lua.LFunction {
		return s.l.NewFunction(func(l *lua.LState) int {
			l.RaiseError("Script attempted to %s global variable '%s'", what, l.Get(2).String())
			return 0
		})
	}
	meta := s.l.CreateTable(0, 2)
	meta.RawSetString("__newindex", refuse("create"))
	meta.RawSetString("__index", refuse("access nonexistent"))
	s.globals.Metatable = meta
}

// remember notes what all tables that a script can reach hold.
func (s *luaState) remember() {
	s.shape = map[*lua.LTable]*tableShape{}
	var visit func(t *lua.LTable)
	visit = func(t *lua.LTable) {
		if s.shape[t] != nil {
			return
		}
		shape := &tableShape{meta: t.Metatable}
		s.shape[t] = shape
		for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
			shape.keys, shape.values = append(shape.keys, k), append(shape.values, v)
		}
		for _, v := range append(slices.Clone(shape.values), shape.meta) {
			if inner, ok := v.(*lua.LTable); ok {
				visit(inner)
			}
		}
	}
	visit(s.globals)
}

// unchanged reports whether the state is as remember found it, apart from what the script cannot have changed.
func (s *luaState) unchanged(c *chunk) bool {
	if !c.changes {
		return true
	}
	if len(c.libraries) > 0 {
		for _, name := range c.libraries {
			if t, ok := s.globals.RawGetString(name).(*lua.LTable); !ok || !s.shape[t].fits(t) {
				return false
			}
		}
		return true
	}
	if s.l.Env != s.globals || s.l.G.CurrentThread != s.l {
		return false
	}
	for t, shape := range s.shape {
		if !shape.fits(t) {
			return false
		}
	}
	return true
}

func (shape *tableShape) fits(t *lua.LTable) bool {
	if shape == nil || t.Metatable != shape.meta {
		return false
	}
	k, v := t.Next(lua.LNil)
	for i, key := range shape.keys {
		if k != key || v != shape.values[i] {
			return false
		}
		k, v = t.Next(k)
	}
	return k == lua.LNil
}

// run executes a script and appends its reply to dst. reusable is false when the state may differ from before.
func (s *luaState) run(dst []byte, code *script, keys, argv []string, readOnly, resp3 bool) (reply []byte, reusable bool) {
	s.sha, s.readOnly = code.sha, readOnly
	s.guard.start()
	s.uses++
	s.globals.RawSetString("KEYS", stringTable(s.l, keys))
	s.globals.RawSetString("ARGV", stringTable(s.l, argv))
	s.l.Push(s.l.NewFunctionFromProto(code.proto))
	if err := s.l.PCall(0, lua.MultRet, nil); err != nil {
		return append(dst, scriptError(err)...), false
	}
	reply = appendLua(dst, s.l.Get(1), resp3)
	s.l.SetTop(0)
	s.dropArguments()
	return reply, s.uses < maxStateUses && s.unchanged(&code.chunk)
}

// dropArguments lets go of the arguments. It leaves a value, since a map from which something is removed and to which
// it is added again has to be rebuilt now and then.
func (s *luaState) dropArguments() {
	s.globals.RawSetString("KEYS", lua.LFalse)
	s.globals.RawSetString("ARGV", lua.LFalse)
}

func stringTable(l *lua.LState, values []string) *lua.LTable {
	t := l.CreateTable(len(values), 0)
	for _, v := range values {
		t.Append(lua.LString(v))
	}
	return t
}

// scriptError is the reply to a script that does not compile or has failed. The wording is that of miniredis, but for
// the error that a script has raised as a table.
func scriptError(err error) []byte {
	var failed *lua.ApiError
	if errors.As(err, &failed) {
		if t, ok := failed.Object.(*lua.LTable); ok {
			if text, ok := t.RawGetString("err").(lua.LString); ok {
				return appendInline(nil, '-', string(text))
			}
		}
	}
	return appendInline(nil, '-', "ERR Error compiling script (new function): "+err.Error())
}
