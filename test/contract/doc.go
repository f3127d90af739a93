// Package contract makes requests out of the OpenAPI document of the REST API, valid, nearly valid and hostile ones,
// and holds the answers against the document. The requests are sent by the tests of cmd/lightpush, where a whole
// process can be run.
//
// A request is decided by Choices alone: a seed and a number for the test, bytes of the fuzzer for the fuzz target. So
// every finding can be repeated.
//
// The package starts no goroutine but the one that writes a request while its answer is read. It may import the Go
// library and kin-openapi.
package contract
