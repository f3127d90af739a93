// Package doc holds the documents a running server shows to people: the
// description of the REST API and the one of the events.
//
// It imports nothing.
package doc

import _ "embed" // for the files below

// OpenAPI is openapi.yaml.
//
//go:embed openapi.yaml
var OpenAPI []byte

// Events is events.md.
//
//go:embed events.md
var Events []byte
