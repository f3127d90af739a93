//go:build linux

package cluster

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"time"
)

// ping is nil when Redis answers PONG: not while it reads its append-only file.
func ping(addr string) func() error {
	return func() error {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(time.Second))
		if _, err := fmt.Fprint(c, "PING\r\n"); err != nil {
			return err
		}
		line, err := bufio.NewReader(c).ReadString('\n')
		if err == nil && !strings.HasPrefix(line, "+PONG") {
			err = fmt.Errorf("redis answers %q", line)
		}
		return err
	}
}
