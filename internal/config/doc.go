// Package config is the configuration of both roles: one flat struct, filled from a YAML file, the environment and
// flags, judged as a whole before anything starts.
//
// Overview. keys.go and the keys_*.go tables name every key once: its field, kind, unit, bounds and documentation. The
// loader, the environment, the redacted dump and the example file are all driven by that table; Default holds the
// values. Precedence is flag, then environment, then file, then default.
//
// Strictness. Unknown and repeated keys, values of the wrong type, impossible values and unknown LIGHTPUSH_ variables
// are refused, and all of them are reported at once in one [Error]. The values of secrets never appear in an error, a
// dump or the output of fmt.
//
// Concurrency. The package starts no goroutine and keeps no state; a Config is a plain value that nobody changes after
// Load, so any goroutine may read it.
//
// Imports. The standard library and yaml.v3; nothing of this project.
package config
