package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/lightpush/lightpush/internal/namespace"
)

// demoKey is the namespace a first start of the all-in-one process creates.
const demoKey = "/demo"

// createDemo makes the demo namespace when there is no namespace at all, and
// returns its password; "" when nothing was made.
func createDemo(ctx context.Context, b *backend) (password string, err error) {
	if len(b.namespaces.List()) > 0 {
		return "", nil
	}
	password = namespace.NewSecret()
	name := "Demo"
	patch := namespace.Patch{Key: demoKey, Name: &name, Password: &password}
	if _, err := b.namespaces.Save(ctx, patch, time.Now()); err != nil {
		return "", fmt.Errorf("create namespace %s: %w", demoKey, err)
	}
	return password, nil
}

// banner tells a newcomer where everything is. Credentials appear only in the
// run that has generated them.
type banner struct {
	role              role
	base              string // http://host:port
	adminName         string
	adminPassword     string
	namespacePassword string
}

func (n banner) print(w io.Writer) {
	var b strings.Builder
	fmt.Fprintf(&b, "lightpush %s is ready\n", version())
	if n.role != roleLogic {
		fmt.Fprintf(&b, "  Socket.IO  %s/socket.io/\n", n.base)
	}
	if n.role != roleConnector {
		fmt.Fprintf(&b, "  REST API   %s/api/\n", n.base)
		fmt.Fprintf(&b, "  Console    %s/push-admin/\n", n.base)
		fmt.Fprintf(&b, "  API docs   %s/docs/\n", n.base)
	}
	if n.adminPassword != "" {
		fmt.Fprintf(&b, "  Admin      %s / %s\n", n.adminName, n.adminPassword)
	}
	if n.namespacePassword != "" {
		fmt.Fprintf(&b, "  Namespace  %s / %s\n", demoKey, n.namespacePassword)
		fmt.Fprintf(&b, "These passwords are shown this once. Push to everybody in room news:\n")
		fmt.Fprintf(&b, "  curl -u '%s:%s' -H 'Content-Type: application/json' -d '{\"room\":\"news\",\"pushData\":{\"text\":\"hello\"}}' %s/api/auth/push\n",
			demoKey, n.namespacePassword, n.base)
	}
	_, _ = io.WriteString(w, b.String())
}

// baseURL is how a person on this machine reaches the listener.
func baseURL(scheme string, addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return scheme + "://" + addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}
