package config

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// inputKind is the shape of a value as it was written, before a key decides whether that shape suits it.
type inputKind uint8

const (
	inputNull inputKind = iota
	inputText
	inputNumber
	inputBool
	inputList
	inputOther // a mapping, or a scalar of a foreign type such as a timestamp
	inputLoose // from the environment or a flag: everything is text there, so every kind is parsed from it
)

// input is a value as it was written in a source.
type input struct {
	kind  inputKind
	text  string  // scalars, as written
	items []input // inputList
	line  int     // file only, from 1
}

// maxItems bounds a list.
const maxItems = 1000

// maxShown bounds how much of a value an error quotes, in bytes.
const maxShown = 60

// String describes the input for an error: texts in quotes, numbers and booleans bare.
func (in input) String() string {
	switch in.kind {
	case inputText, inputLoose:
		return quote(in.text)
	case inputNumber, inputBool:
		return clip(in.text)
	default:
		return in.shape()
	}
}

// shape names the kind of the input without its value, which is all that may be said about a secret.
func (in input) shape() string {
	switch in.kind {
	case inputNull:
		return "nothing"
	case inputText, inputLoose:
		return "text"
	case inputNumber:
		return "a number"
	case inputBool:
		return "true or false"
	case inputList:
		return "a list"
	default:
		return "a value of another kind"
	}
}

func quote(s string) string { return strconv.Quote(clip(s)) }

func clip(s string) string {
	if len(s) <= maxShown {
		return s
	}
	end := maxShown
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// looseInput is a value from the environment or a flag.
func looseInput(text string) input { return input{kind: inputLoose, text: text} }

// splitList returns the items of a comma separated list; surrounding brackets, as YAML has them, are allowed.
func (in input) splitList() (items []input, bracketed bool) {
	text := strings.TrimSpace(in.text)
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		text, bracketed = strings.TrimSpace(text[1:len(text)-1]), true
	}
	if text == "" {
		return nil, bracketed
	}
	for item := range strings.SplitSeq(text, ",") {
		items = append(items, input{kind: inputText, text: strings.TrimSpace(item)})
	}
	return items, bracketed
}

// nodeInput turns a YAML value into an input. Aliases are followed once and lists are read one level deep, so the work
// is bounded by the size of the file whatever it refers to.
func nodeInput(n *yaml.Node) input {
	in := scalarInput(n)
	if v := resolveAlias(n); v.Kind == yaml.SequenceNode {
		in.kind = inputList
		for i, item := range v.Content {
			if i > maxItems {
				break // one too many is enough to be refused
			}
			in.items = append(in.items, scalarInput(item))
		}
	}
	return in
}

func scalarInput(n *yaml.Node) input {
	in := input{kind: inputOther, line: n.Line}
	v := resolveAlias(n)
	if v.Kind != yaml.ScalarNode {
		return in
	}
	in.text = v.Value
	switch v.ShortTag() {
	case "!!null":
		in.kind = inputNull
	case "!!str":
		in.kind = inputText
	case "!!int", "!!float":
		in.kind = inputNumber
	case "!!bool":
		in.kind = inputBool
	}
	return in
}

func resolveAlias(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}
