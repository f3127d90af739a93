package config

import "strings"

// Redacted returns the configuration as YAML, one key per line in the order of the example file. Secrets that are set
// read "***".
func (c Config) Redacted() string {
	var b strings.Builder
	for _, k := range keys {
		b.WriteString(k.Name + ": " + k.value.write(&c) + "\n")
	}
	return b.String()
}
