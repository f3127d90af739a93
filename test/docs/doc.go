// Package docs holds the pages of this repository against the code: links, snippets, and the names of configuration keys,
// metrics and routes. It needs Go alone; snippets of other languages are parsed when their program is at hand. What has to
// run against a server is in test/e2e/examples.
package docs
