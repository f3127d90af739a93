package embedded

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"
)

// chunkName is what the errors of the compiler call a script; an error at run time shows the line alone.
const chunkName = "<string>"

// chunk is a compiled text, with what it could change beyond values of its own: everything, or some libraries.
type chunk struct {
	proto     *lua.FunctionProto
	changes   bool
	libraries []string
}

func compileChunk(text, name string) (c chunk, err error) {
	defer func() {
		if r := recover(); r != nil { // the compiler does that for some broken programs
			err = fmt.Errorf("%s: %v", name, r)
		}
	}()
	tree, err := parse.Parse(strings.NewReader(text), name)
	if err != nil {
		return chunk{}, err
	}
	proto, err := lua.Compile(tree, "")
	if err != nil {
		return chunk{}, err
	}
	// gopher-lua makes a table arg of a chunk's arguments, which costs 2.5 KB and which no chunk can name.
	proto.IsVarArg &^= lua.VarArgNeedsArg
	c.proto = proto
	c.examine(proto)
	return c, nil
}

// reach says how far a script gets with a global: isValue leads to nothing that outlives the script, isLibrary to that
// table alone.
type reach uint8

const (
	isValue reach = iota + 1
	isLibrary
)

var reaches = map[lua.LValue]reach{}

func init() {
	for _, name := range []string{"KEYS", "ARGV", "_VERSION", "tonumber", "tostring", "type", "unpack", "select", "next", "pairs", "ipairs",
		"error", "assert", "pcall", "xpcall", "rawget", "rawequal"} {
		reaches[lua.LString(name)] = isValue
	}
	for _, name := range []string{"redis", "server", "string", "math", "cjson", "os", "table"} {
		reaches[lua.LString(name)] = isLibrary
	}
}

// examine finds out what a script could change, so that nothing has to be looked at after most of them. A table is
// changed by an instruction or by a function; the function comes from a global, and so does the table, but for that of
// the string functions, which every string leads to.
func (c *chunk) examine(proto *lua.FunctionProto) {
	stores, everything := c.scan(proto)
	switch {
	case everything:
		c.changes, c.libraries = true, nil
	case stores || slices.Contains(c.libraries, "table"):
		c.changes = true
		if !slices.Contains(c.libraries, "string") {
			c.libraries = append(c.libraries, "string")
		}
	default:
		c.libraries = nil
	}
}

// scan collects the libraries that a function and those inside it use. Words of the code that are no instructions but
// arguments of one are taken for instructions, which can only make it believe in more than there is.
func (c *chunk) scan(p *lua.FunctionProto) (stores, everything bool) {
	for _, word := range p.Code {
		switch int(word >> 26) {
		case lua.OP_SETGLOBAL:
			return true, true
		case lua.OP_SETTABLE, lua.OP_SETTABLEKS:
			stores = true
		case lua.OP_GETGLOBAL:
			at := int(word & (1<<18 - 1))
			if at >= len(p.Constants) {
				return true, true
			}
			switch reaches[p.Constants[at]] {
			case isValue:
			case isLibrary:
				if name := p.Constants[at].String(); !slices.Contains(c.libraries, name) {
					c.libraries = append(c.libraries, name)
				}
			default:
				return true, true
			}
		}
	}
	for _, inner := range p.FunctionPrototypes {
		s, e := c.scan(inner)
		if e {
			return true, true
		}
		stores = stores || s
	}
	return stores, false
}
