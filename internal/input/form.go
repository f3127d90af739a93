package input

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
)

// maxFormDepth bounds the names inside one key, the first included.
const maxFormDepth = 8

// maxFieldName bounds, in bytes, how much of a caller's own key an error
// repeats.
const maxFieldName = 64

// FromForm turns form values into fields, with the bracket nesting light-push
// had (light-push-wire.md 1.1): text becomes a JSON string, a repeated key or
// key[] an array, key[sub] an object, key[0], key[1] … an array again. A key
// with brackets that do not match, more than eight names, or two forms of one
// name is a *FieldError.
func FromForm(form url.Values) (Fields, error) {
	tree := map[string]any{}
	for key, values := range form {
		path, list, err := formPath(key)
		if err != nil {
			return nil, err
		}
		var leaf any = values
		if len(values) == 1 && !list {
			leaf = values[0]
		}
		if err := put(tree, path, leaf); err != nil {
			return nil, err
		}
	}
	f := make(Fields, len(tree))
	for k, v := range tree {
		raw, err := json.Marshal(arrays(v))
		if err != nil {
			return nil, formError(k, "invalid")
		}
		f[k] = raw
	}
	return f, nil
}

// formPath splits a[b][c] into its names; list is true for a[b][], whose last
// brackets name nothing.
func formPath(key string) (path []string, list bool, err error) {
	head, rest, nested := strings.Cut(key, "[")
	if !nested || head == "" {
		return []string{key}, false, nil
	}
	path = []string{head}
	for more := true; more; {
		part, tail, ok := strings.Cut(rest, "]")
		if !ok || (tail != "" && tail[0] != '[') {
			return nil, false, formError(head, "has unbalanced brackets")
		}
		more = tail != ""
		switch {
		case part != "":
			path = append(path, part)
		case more:
			path = append(path, "0") // a[][b]: the only element
		default:
			list = true
		}
		if len(path) > maxFormDepth {
			return nil, false, formError(head, "is nested too deep")
		}
		rest = strings.TrimPrefix(tail, "[")
	}
	return path, list, nil
}

func put(tree map[string]any, path []string, leaf any) error {
	for _, part := range path[:len(path)-1] {
		next, ok := tree[part].(map[string]any)
		if !ok {
			if _, taken := tree[part]; taken {
				return formError(path[0], "is given twice in different forms")
			}
			next = map[string]any{}
			tree[part] = next
		}
		tree = next
	}
	last := path[len(path)-1]
	if _, taken := tree[last]; taken {
		return formError(path[0], "is given twice in different forms")
	}
	tree[last] = leaf
	return nil
}

// arrays turns objects whose names are 0, 1, … n-1 into arrays, all the way
// down; put has bounded the depth.
func arrays(v any) any {
	object, ok := v.(map[string]any)
	if !ok {
		return v
	}
	for name, member := range object {
		object[name] = arrays(member)
	}
	list := make([]any, 0, len(object))
	for i := range len(object) {
		member, ok := object[strconv.Itoa(i)]
		if !ok {
			return object
		}
		list = append(list, member)
	}
	return list
}

func formError(field, problem string) error {
	if len(field) > maxFieldName {
		field = strings.ToValidUTF8(field[:maxFieldName], "") + "…"
	}
	return &FieldError{Field: field, Problem: problem}
}
