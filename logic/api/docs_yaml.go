package api

import (
	"encoding/json"
	"strings"

	"gopkg.in/yaml.v3"
)

// node is a place in a YAML document, with its root for references. The zero
// Node means that there is nothing there.
type node struct {
	*yaml.Node
	root *yaml.Node
}

// nodeHops bounds how many aliases and references follow each other.
const nodeHops = 20

// resolve follows aliases of YAML and references of OpenAPI.
func (n node) resolve() node {
	for range nodeHops {
		switch {
		case n.Node == nil:
			return n
		case n.Kind == yaml.AliasNode:
			n.Node = n.Alias
			continue
		case n.Kind == yaml.MappingNode && len(n.Content) == 2 && n.Content[0].Value == "$ref":
			target := node{n.root, n.root}
			for _, name := range strings.Split(strings.TrimPrefix(n.Content[1].Value, "#/"), "/") {
				target = target.child(name)
			}
			n = target
			continue
		}
		return n
	}
	return node{}
}

// at walks down by keys.
func (n node) at(keys ...string) node {
	for _, key := range keys {
		n = n.resolve().child(key)
	}
	return n.resolve()
}

func (n node) child(key string) node {
	if n.Node == nil || n.Kind != yaml.MappingNode {
		return node{}
	}
	for _, p := range n.pairs() {
		if p.key == key {
			return p.value
		}
	}
	return node{}
}

type pair struct {
	key   string
	value node
}

// pairs are the entries of a mapping in their order, merged ones (<<) in
// place.
func (n node) pairs() (list []pair) {
	if n = n.resolve(); n.Node == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		value := node{n.Content[i+1], n.root}
		if n.Content[i].Value == "<<" {
			list = append(list, value.pairs()...)
			continue
		}
		list = append(list, pair{n.Content[i].Value, value})
	}
	return list
}

func (n node) items() (list []node) {
	if n = n.resolve(); n.Node == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	for _, item := range n.Content {
		list = append(list, node{item, n.root}.resolve())
	}
	return list
}

func (n node) first() node {
	if list := n.items(); len(list) > 0 {
		return list[0]
	}
	return node{}
}

// text is a scalar as it is written, else "".
func (n node) text() string {
	if n = n.resolve(); n.Node == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}

// jsonOf writes a value as JSON over several lines, in the order of the
// document; "" for nothing.
func jsonOf(n node) string {
	var b strings.Builder
	n.json(&b, "\n", "  ")
	return b.String()
}

// compact is jsonOf on one line.
func compact(n node) string {
	var b strings.Builder
	n.json(&b, "", "")
	return b.String()
}

func (n node) json(b *strings.Builder, line, indent string) {
	n = n.resolve()
	if n.Node == nil {
		return
	}
	inner := line
	if line != "" {
		inner += indent
	}
	switch n.Kind {
	case yaml.MappingNode:
		pairs := n.pairs()
		b.WriteByte('{')
		for i, p := range pairs {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(inner + quoted(p.key) + ":")
			if line != "" {
				b.WriteByte(' ')
			}
			p.value.json(b, inner, indent)
		}
		if len(pairs) > 0 {
			b.WriteString(line)
		}
		b.WriteByte('}')
	case yaml.SequenceNode:
		items := n.items()
		b.WriteByte('[')
		for i, item := range items {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(inner)
			item.json(b, inner, indent)
		}
		if len(items) > 0 {
			b.WriteString(line)
		}
		b.WriteByte(']')
	default:
		if n.Tag == "!!str" {
			b.WriteString(quoted(n.Value))
		} else {
			b.WriteString(n.Value)
		}
	}
}

func quoted(text string) string {
	b, err := marshal(text)
	if err != nil { // a string always marshals
		b, _ = json.Marshal("")
	}
	return string(b)
}
