package config

// value is one kind of field: how it is read, judged and written. Implementations hold only the way to the field and
// its bounds, so they are shared freely.
type value interface {
	// set reads in into the field; on a fault the field is undefined.
	set(c *Config, in input) []fault
	// check judges the value that is in the field.
	check(c *Config) []fault
	// write returns the field as YAML on one line; secrets in clear are not written, only whether they are set.
	write(c *Config) string
	// allowed says which values are possible, such as "a whole number from 1 to 65535".
	allowed() string
	// fieldOf returns a pointer to the field.
	fieldOf(c *Config) any
}

// fault is what is wrong with a value; the caller knows the key and the source.
type fault struct {
	item  int    // index in a list, or -1
	line  int    // line of the item when it is known, else 0
	given string // what was given, as an error may show it
	why   string // the reason, when it is not plain from want
	want  string // what is allowed
}

// text returns "got <given>: <why>; want <want>".
func (f fault) text() string {
	s := "got " + f.given
	if f.why != "" {
		s += ": " + f.why
	}
	return s + "; want " + f.want
}

// oneFault is a fault of a value that is no list.
func oneFault(given, why, want string) []fault {
	return []fault{{item: -1, given: given, why: why, want: want}}
}

// judge decides about a text; why may add a reason to what the key says is allowed.
type judge func(s string) (ok bool, why string)
