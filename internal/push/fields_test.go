package push

import "fmt"

// Fields are the stored fields of the record as texts.
func (m *Message) Fields() (fields []string) {
	for _, f := range m.AppendFields(nil) {
		switch f := f.(type) {
		case *string:
			fields = append(fields, *f)
		case []byte:
			fields = append(fields, string(f))
		default:
			fields = append(fields, fmt.Sprint(f))
		}
	}
	return fields
}
