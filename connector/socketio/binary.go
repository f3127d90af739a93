package socketio

import (
	"fmt"
	"slices"
)

// extractAll replaces the Binary values in args by placeholders, numbered
// depth first, in copies of the containers that hold them.
func extractAll(args []any) (text []any, attachments [][]byte, err error) {
	if !slices.ContainsFunc(args, hasBinary) {
		return args, nil, nil
	}
	text = make([]any, len(args))
	for i, arg := range args {
		text[i], attachments = extract(arg, attachments)
	}
	if len(attachments) > maxAttachments {
		return nil, nil, fmt.Errorf("socketio: %d attachments, at most %d are allowed", len(attachments), maxAttachments)
	}
	return text, attachments, nil
}

func hasBinary(v any) bool {
	switch v := v.(type) {
	case Binary, []byte:
		return true
	case []any:
		return slices.ContainsFunc(v, hasBinary)
	case map[string]any:
		for _, e := range v {
			if hasBinary(e) {
				return true
			}
		}
	}
	return false
}

func extract(v any, attachments [][]byte) (any, [][]byte) {
	switch v := v.(type) {
	case Binary:
		return placeholderFor(len(attachments)), append(attachments, v)
	case []byte:
		return placeholderFor(len(attachments)), append(attachments, v)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i], attachments = extract(e, attachments)
		}
		return out, attachments
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, k := range sortedKeys(v) {
			out[k], attachments = extract(v[k], attachments)
		}
		return out, attachments
	}
	return v, attachments
}

func placeholderFor(num int) any {
	return struct {
		Placeholder bool `json:"_placeholder"`
		Num         int  `json:"num"`
	}{true, num}
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
