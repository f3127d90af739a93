package config

import (
	"maps"
	"slices"
)

// LoadOptions says where a configuration comes from. The zero value yields the default.
type LoadOptions struct {
	File    string            // path of the YAML file; empty: none
	Environ []string          // "NAME=value" as os.Environ returns; only names that begin with LIGHTPUSH_ count
	Flags   map[string]string // name of a key → text, only of flags that were given
}

// Load reads, combines and judges a configuration. The error, if any, is an *Error that lists all that is wrong;
// it matches ErrInvalid, and fs.ErrNotExist when the file is missing. Only then are the other results zero.
func Load(o LoadOptions) (Config, Sources, error) {
	l := newLoader()
	if o.File != "" {
		data, err := readLimited(o.File, MaxFileSize)
		if err != nil {
			l.report("", Source{Kind: FromFile, Name: o.File}, err.Error(), err)
		} else {
			l.applyFile(o.File, data)
		}
	}
	return l.finish(o.Environ, o.Flags)
}

// Parse is Load for a file that is already in memory; name is what errors call it.
func Parse(name string, data []byte) (Config, Sources, error) {
	l := newLoader()
	l.applyFile(name, data)
	return l.finish(nil, nil)
}

// loader applies one source after the other, weakest first, to one Config.
type loader struct {
	cfg      Config
	sources  Sources
	refused  map[string]bool // keys for which some source gave a wrong value
	problems Error
}

func newLoader() *loader {
	return &loader{cfg: Default(), sources: Sources{}, refused: map[string]bool{}}
}

func (l *loader) finish(environ []string, flags map[string]string) (Config, Sources, error) {
	l.applyEnv(environ)
	l.applyFlags(flags)
	l.checkCombinations()
	if err := l.problems.orNil(); err != nil {
		return Config{}, nil, err
	}
	return l.cfg, l.sources, nil
}

func (l *loader) applyFlags(flags map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		src := Source{Kind: FromFlag, Name: name}
		key, known := keyByName[name]
		if !known {
			text := "unknown flag"
			if near := nearest(name, keyByName); near != "" {
				text += ", did you mean --" + near + "?"
			}
			l.report("", src, text, nil)
			continue
		}
		l.apply(key, looseInput(flags[name]), src)
	}
}

// apply sets one key; a value that is refused changes nothing.
func (l *loader) apply(key *Key, in input, src Source) {
	before := l.cfg
	faults := key.value.set(&l.cfg, in)
	if faults == nil {
		faults = key.value.check(&l.cfg)
	}
	if faults == nil {
		l.sources[key.Name] = src
		return
	}
	l.cfg = before
	l.refused[key.Name] = true
	l.reportFaults(key, faults, src)
}

func (l *loader) report(key string, src Source, text string, err error) {
	l.problems.add(Problem{Key: key, Source: src, Text: text, Err: err})
}
