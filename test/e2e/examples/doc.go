// Package examples runs what sdk-examples shows against the built binary: the receivers in Node, Python, Go and a browser,
// the business servers in five languages, the chat demo. What cannot run here (Kotlin, Swift, Dart) is parsed. Tests need
// the build tag e2e and start every process they use; each test stops what it has started. It imports nothing of the module.
package examples
