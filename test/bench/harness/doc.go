// Package harness starts the servers under test and the load client, plays the
// scenarios, and writes what was measured: a table, a JSON file and a page.
//
// One server works at a time, except where servers only idle. Everything the
// harness starts is its child and ends with it: by the end of its stdin, by a
// signal, or by the kernel when the harness dies. Every wait has a deadline; Run
// needs a context that ends.
//
// It imports packages of this ring only, and runs on Linux.
package harness
