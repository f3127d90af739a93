package config

import "strconv"

// SourceKind says which of the four places a value came from.
type SourceKind uint8

// The kinds of source, weakest first.
const (
	FromDefault SourceKind = iota
	FromFile
	FromEnv
	FromFlag
)

// Source is the place a value came from.
type Source struct {
	Kind SourceKind
	Name string // path of the file, name of the variable, name of the flag without dashes
	Line int    // line in the file from 1, else 0
}

// String returns "config.yaml:12", "LIGHTPUSH_REDIS_DB", "--redis_db" or "default".
func (s Source) String() string {
	switch s.Kind {
	case FromFile:
		if s.Line == 0 {
			return s.Name
		}
		return s.Name + ":" + strconv.Itoa(s.Line)
	case FromEnv:
		return s.Name
	case FromFlag:
		return "--" + s.Name
	default:
		return "default"
	}
}

// Sources maps the name of a key to where its value came from; keys that kept their default are absent, so that
// looking one up yields the zero Source, which is the default.
type Sources map[string]Source
