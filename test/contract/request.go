package contract

import (
	"bytes"
	"fmt"
	"strings"
)

// Site is what requests must know of the server they go to.
type Site struct {
	Host string // host:port
	// Namespace has its slash. Credentials of it and of the administrator, with their passwords.
	Namespace, Password string
	Admin, AdminPass    string
	// Keys are API keys of Namespace: push, read, admin.
	Keys []string
	// Cookie and CSRF are those of a session of the administrator.
	Cookie, CSRF string
	// Values are what properties and parameters may be, by "operationId.name" or name. Without an entry they are made
	// from the schema.
	Values map[string][]any
}

// Request is one request as it is written to the connection.
type Request struct {
	Route  *Route // nil: there is none with this method and path
	Method string
	Target string   // path and query, escaped; or whatever is to stand there
	Header []string // lines without their ends
	Body   []byte
	// Length overwrites Content-Length; "" counts Body, "-" leaves it out.
	Length string
	// Raw requests may be no HTTP: the HTTP library may answer them.
	Raw bool
	// Cut closes the sending side behind the body.
	Cut bool
	// Forged requests have no right to what they ask for.
	Forged bool
	// What says in words what is odd.
	What []string
}

// Bytes is what is sent.
func (r *Request) Bytes(host string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", r.Method, r.Target)
	if !r.has("host") {
		fmt.Fprintf(&b, "Host: %s\r\n", host)
	}
	for _, line := range r.Header {
		b.WriteString(line + "\r\n")
	}
	switch {
	case r.Length == "-" || r.has("transfer-encoding"):
	case r.Length != "":
		b.WriteString("Content-Length: " + r.Length + "\r\n")
	case len(r.Body) > 0 || r.Method != "GET":
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(r.Body))
	}
	b.WriteString("\r\n")
	b.Write(r.Body)
	return b.Bytes()
}

func (r *Request) has(name string) bool {
	for _, line := range r.Header {
		if key, _, _ := strings.Cut(line, ":"); strings.EqualFold(strings.TrimSpace(key), name) {
			return true
		}
	}
	return false
}

// set replaces a header.
func (r *Request) set(name, value string) {
	r.unset(name)
	r.Header = append(r.Header, name+": "+value)
}

func (r *Request) unset(name string) {
	var kept []string
	for _, line := range r.Header {
		if key, _, _ := strings.Cut(line, ":"); !strings.EqualFold(key, name) {
			kept = append(kept, line)
		}
	}
	r.Header = kept
}

func (r *Request) odd(format string, args ...any) {
	r.What = append(r.What, fmt.Sprintf(format, args...))
}

// String shows the request for a report, without the credentials it carries.
func (r *Request) String() string {
	var header []string
	for _, line := range r.Header {
		if key, _, _ := strings.Cut(line, ":"); strings.EqualFold(key, "Authorization") || strings.EqualFold(key, "Cookie") {
			line = key + ": …"
		}
		header = append(header, clip(line, 200))
	}
	return fmt.Sprintf("%s %s %q %q (%s)", r.Method, clip(r.Target, 300), header, clip(string(r.Body), 500), strings.Join(r.What, ", "))
}

func clip(s string, n int) string {
	if len(s) > n {
		return fmt.Sprintf("%s… (%d bytes)", s[:n], len(s))
	}
	return s
}
