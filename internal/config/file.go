package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Bounds of what is read, in bytes.
const (
	MaxFileSize   = 1 << 20  // configuration file
	maxSecretSize = 64 << 10 // file named by LIGHTPUSH_<KEY>_FILE
)

// errTooLarge is wrapped when a file exceeds its bound.
var errTooLarge = errors.New("file too large")

// readLimited reads a file of at most limit bytes.
func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", errTooLarge, limit)
	}
	return data, nil
}

// yamlLine finds the place in a message of the YAML parser.
var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// applyFile sets every key of a YAML document, data, that was read from name.
func (l *loader) applyFile(name string, data []byte) {
	src := Source{Kind: FromFile, Name: name}
	if len(data) > MaxFileSize {
		l.report("", src, fmt.Sprintf("more than %d bytes", MaxFileSize), errTooLarge)
		return
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return // empty, or comments only: everything keeps its default
	case err != nil:
		l.reportSyntax(src, data, err)
		return
	}
	if err := dec.Decode(&second); err == nil {
		src.Line = second.Line
		l.report("", src, "a second document; the file must be one", nil)
	} else if !errors.Is(err, io.EOF) {
		l.reportSyntax(src, data, err)
	}
	if len(doc.Content) == 1 {
		l.applyDocument(name, doc.Content[0])
	}
}

// reportSyntax reports what the YAML parser refused. It names no line for the first one. Its messages are free of values
// but for one: the name of an alias, which is what a password that begins with * looks like; there the line is missing.
func (l *loader) reportSyntax(src Source, data []byte, err error) {
	text := err.Error()
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		text = text[len(m[0]):]
		src.Line, _ = strconv.Atoi(m[1])
	}
	if name, ok := strings.CutPrefix(text, "unknown anchor '"); ok {
		name, _, _ = strings.Cut(name, "'")
		if before, _, found := bytes.Cut(data, []byte("*"+name)); found {
			src.Line = 1 + bytes.Count(before, []byte("\n"))
		}
		text = "a text that begins with * needs quotes"
	}
	l.report("", src, "not YAML: "+text, nil)
}

func (l *loader) applyDocument(name string, root *yaml.Node) {
	src := Source{Kind: FromFile, Name: name, Line: root.Line}
	if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" {
		return
	}
	if root.Kind != yaml.MappingNode {
		l.report("", src, "the top level must be a mapping of keys to values, as `redis_db: 0`", nil)
		return
	}
	lineOf := make(map[string]int)
	for i := 0; i+1 < len(root.Content); i += 2 {
		k, v := root.Content[i], root.Content[i+1]
		src.Line = k.Line
		if k.Kind != yaml.ScalarNode {
			l.report("", src, "a key must be a name", nil)
			continue
		}
		if first, given := lineOf[k.Value]; given {
			l.report(showName(k.Value), src, fmt.Sprintf("given twice, first on line %d", first), nil)
			continue
		}
		lineOf[k.Value] = k.Line
		key, known := keyByName[k.Value]
		if !known {
			l.reportUnknown(k.Value, v, src)
			continue
		}
		l.apply(key, nodeInput(v), src)
	}
}

// reportUnknown reports a key that does not exist, with the reason it was probably written.
func (l *loader) reportUnknown(name string, v *yaml.Node, src Source) {
	if l.problems.isFull() {
		l.problems.More++
		return // the search for the nearest name is not free
	}
	text := "unknown key"
	switch {
	case name == "<<" || isProfile(name, v):
		text = "profiles are not used here: remove this level, keys stand at the top level of the file"
	default:
		if near := nearest(name, keyByName); near != "" {
			text += ", did you mean " + near + "?"
		}
	}
	l.report(showName(name), src, text, nil)
}

// showName returns a key as an error may print it: in quotes when it is none of the usual characters.
func showName(name string) string {
	if plain.MatchString(name) || name == "<<" {
		return clip(name)
	}
	return quote(name)
}

// profileNames are the profiles of the predecessor's file, and the usual further ones.
var profileNames = map[string]bool{
	"default": true, "dev": true, "sit": true, "uat": true, "prod": true,
	"development": true, "test": true, "staging": true, "production": true, "local": true,
}

// isProfile reports whether a key looks like a profile of the predecessor: a mapping under the name of one, or a
// mapping that holds keys of the configuration.
func isProfile(name string, v *yaml.Node) bool {
	v = resolveAlias(v)
	if v.Kind != yaml.MappingNode {
		return false
	}
	if profileNames[name] {
		return true
	}
	for i := 0; i < len(v.Content); i += 2 {
		if _, known := keyByName[v.Content[i].Value]; known {
			return true
		}
	}
	return false
}
