package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// listValue is a list of texts, each of which judge accepts.
type listValue struct {
	field    func(*Config) *[]string
	want     string // one item, in words
	judge    judge
	notEmpty bool
	distinct bool
}

func (v listValue) set(c *Config, in input) []fault {
	items, faults := in.textsOrFaults(v.allowed(), v.want)
	*v.field(c) = items
	return faults
}

func (v listValue) check(c *Config) []fault {
	items := *v.field(c)
	if v.notEmpty && len(items) == 0 {
		return oneFault("an empty list", "", v.allowed())
	}
	faults := judgeItems(items, v.want, v.allowed(), v.judge)
	if !v.distinct || faults != nil {
		return faults
	}
	seen := make(map[string]bool, len(items))
	for i, item := range items {
		if seen[item] {
			faults = append(faults, fault{item: i, given: quote(item), why: "given twice", want: "each once"})
		}
		seen[item] = true
	}
	return faults
}

func (v listValue) write(c *Config) string { return writeList(*v.field(c)) }

func (v listValue) allowed() string {
	if v.notEmpty {
		return "a list, not empty, of: " + v.want
	}
	return "a list of: " + v.want
}

func (v listValue) fieldOf(c *Config) any { return v.field(c) }

// textsOrFaults returns the texts of a list; nothing at all (`key:`) counts as the empty list.
func (in input) textsOrFaults(wantList, wantItem string) ([]string, []fault) {
	items := in.items
	switch in.kind {
	case inputList:
	case inputNull:
	case inputLoose:
		items, _ = in.splitList()
	default:
		return nil, oneFault(in.String(), "", wantList)
	}
	if len(items) > maxItems {
		return nil, oneFault("a longer list", "", fmt.Sprintf("at most %d items", maxItems))
	}
	var texts []string
	var faults []fault
	for i, item := range items {
		text, fs := item.textOrFault(wantItem)
		for _, f := range fs {
			f.item, f.line = i, item.line
			faults = append(faults, f)
		}
		texts = append(texts, text)
	}
	return texts, faults
}

func judgeItems(items []string, wantItem, wantList string, judge judge) []fault {
	if len(items) > maxItems {
		return oneFault("a longer list", "", fmt.Sprintf("at most %d items", maxItems))
	}
	var faults []fault
	for i, item := range items {
		why := unprintable(item)
		ok := why == ""
		if ok {
			ok, why = judge(item)
		}
		if !ok {
			faults = append(faults, fault{item: i, given: quoteAddress(item), why: why, want: wantItem})
		}
	}
	return faults
}

// quoteAddress quotes an address; one with an @ may be a URL with a password in it and is not shown.
func quoteAddress(s string) string {
	if strings.Contains(s, "@") {
		return "text (not shown, it may hold a password)"
	}
	return quote(s)
}

// prefixesValue is a list of networks.
type prefixesValue struct {
	field func(*Config) *[]netip.Prefix
}

const wantPrefix = "a network such as 10.0.0.0/8 or fd00::/8"

func (v prefixesValue) set(c *Config, in input) []fault {
	texts, faults := in.textsOrFaults(v.allowed(), wantPrefix)
	if faults != nil {
		return faults
	}
	var prefixes []netip.Prefix
	for i, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			why := ""
			if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
				why = fmt.Sprintf("for this address alone write %s/%d", a, a.BitLen())
			}
			faults = append(faults, fault{item: i, given: quote(text), why: why, want: wantPrefix})
			continue
		}
		prefixes = append(prefixes, p)
	}
	*v.field(c) = prefixes
	return faults
}

func (v prefixesValue) check(c *Config) []fault {
	var faults []fault
	for i, p := range *v.field(c) {
		var why string
		switch {
		case !p.IsValid():
			why = "not a network"
		case p.Addr().Is4In6():
			why = "an IPv4 network is written as such"
		case p != p.Masked():
			why = "bits beyond the prefix are set, the network is " + p.Masked().String()
		default:
			continue
		}
		faults = append(faults, fault{item: i, given: quote(p.String()), why: why, want: wantPrefix})
	}
	return faults
}

func (v prefixesValue) write(c *Config) string {
	var texts []string
	for _, p := range *v.field(c) {
		texts = append(texts, p.String())
	}
	return writeList(texts)
}

func (v prefixesValue) allowed() string       { return "a list of: " + wantPrefix }
func (v prefixesValue) fieldOf(c *Config) any { return v.field(c) }

// addressValue is one host:port, or a list of them which means a cluster.
type addressValue struct {
	field func(*Config) *Address
}

func (v addressValue) set(c *Config, in input) []fault {
	items, isList := in.items, in.kind == inputList
	if in.kind == inputLoose {
		items, isList = in.splitList()
		isList = isList || len(items) > 1
	}
	if isList {
		texts, faults := input{kind: inputList, items: items}.textsOrFaults(v.allowed(), wantHostPort)
		*v.field(c) = Address{Nodes: texts, Cluster: len(texts) > 0}
		return faults
	}
	if in.kind == inputOther {
		return oneFault(in.String(), "", v.allowed())
	}
	text, faults := in.textOrFault(v.allowed())
	*v.field(c) = Address{}
	if text = strings.TrimSpace(text); text != "" {
		*v.field(c) = Address{Nodes: []string{text}}
	}
	return faults
}

func (v addressValue) check(c *Config) []fault {
	a := *v.field(c)
	if len(a.Nodes) > 1 && !a.Cluster {
		return oneFault("several nodes", "not marked as a cluster", v.allowed())
	}
	faults := judgeItems(a.Nodes, wantHostPort, v.allowed(), isHostPort)
	if !a.Cluster {
		for i := range faults {
			faults[i].item, faults[i].want = -1, v.allowed()
		}
	}
	return faults
}

func (v addressValue) write(c *Config) string {
	a := *v.field(c)
	if a.Cluster {
		return writeList(a.Nodes)
	}
	if a.IsZero() {
		return writeText("")
	}
	return writeText(a.Nodes[0])
}

func (v addressValue) allowed() string       { return "host:port, a list of them (a cluster), or nothing" }
func (v addressValue) fieldOf(c *Config) any { return v.field(c) }
