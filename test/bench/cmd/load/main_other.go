//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "the load client needs epoll, that is Linux")
	os.Exit(1)
}
