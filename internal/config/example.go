package config

import "strings"

// exampleWidth is where comments of the example file are broken, in bytes.
const exampleWidth = 110

const exampleHead = `# Configuration of lightpush. Every key is listed with its default; keep only those you change.
#
# Strongest first: flag (--listen, --redis, --data-dir), environment (LIGHTPUSH_REDIS_DB=1: the key in upper case),
# this file, default.
# Lists are written with commas in flags and variables. Secrets can also come from a file: LIGHTPUSH_ADMIN_PASSWD_FILE.
#
# Numbers and booleans are written without quotes (20000, true). What is allowed stands below each explanation.
# Unknown keys and impossible values stop the start and are all reported at once: lightpush config check
`

// Example returns the commented configuration file with every key at its default, which Load turns into Default().
func Example() []byte {
	var b strings.Builder
	b.WriteString(exampleHead)
	topic := ""
	c := Default()
	for _, k := range keys {
		if k.Topic != topic {
			topic = k.Topic
			b.WriteString("\n# ---- " + topic + " " + strings.Repeat("-", exampleWidth-8-len(topic)) + "\n")
		}
		text := k.value.write(&c)
		b.WriteByte('\n')
		writeComment(&b, k.Doc)
		writeComment(&b, "Allowed: "+k.Allowed()+". Default: "+defaultInWords(k, text)+".")
		b.WriteString(k.Name + ": " + text + "\n")
	}
	return []byte(b.String())
}

// defaultInWords adds the unit to the default of a number.
func defaultInWords(k Key, text string) string {
	switch v := k.value.(type) {
	case durationValue:
		return text + " " + v.unit.name
	case intValue:
		return strings.TrimSpace(text + " " + v.noun)
	}
	if text == `""` || text == "[]" {
		return "empty"
	}
	return text
}

// writeComment writes text as comment lines of at most exampleWidth bytes, as far as words allow.
func writeComment(b *strings.Builder, text string) {
	line := "#"
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > exampleWidth {
			b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
}
