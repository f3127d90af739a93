// Package test holds what concerns the repository as a whole: the rules of the import graph and of the tree. The
// rings that need running processes are in the folders below it.
package test
