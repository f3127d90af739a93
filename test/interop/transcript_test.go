//go:build interop

package interop

import (
	"context"
	"errors"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/test/e2e/wsclient"
)

// transcript is what a client sends after the open packet and what it must
// see. Wants are regular expressions over whole frames; "closed" is the end of
// the connection, "silence" that nothing comes.
type transcript struct {
	name  string
	eio   int
	steps []step
	// reference, when not empty, says why the reference peer answers
	// differently; its run is then only logged.
	reference string
}

type step struct{ send, want string }

const sid = `[A-Za-z0-9_-]{20,}`

var transcripts = []transcript{
	{name: "connect and echo, protocol 5", eio: 4, steps: []step{
		{"40/app,", `40/app,\{"sid":"` + sid + `"\}`},
		{`42/app,7["echo",{"a":[1,"é😀"]}]`, `43/app,7\[\{"a":\[1,"é😀"\]\}\]`},
		{`42/app,0["echo",null]`, `43/app,0\[null\]`},
	}},
	{name: "connect and echo, protocol 4", eio: 3, steps: []step{
		{"", "40"},
		{"40/app,", "40/app,"},
		{`42/app,7["echo","x"]`, `43/app,7\["x"\]`},
	}},
	{name: "unknown namespace, protocol 5", eio: 4, steps: []step{
		{"40/nope,", `44/nope,\{"message":"Invalid namespace"\}`},
		{"40/app,", `40/app,\{"sid":"` + sid + `"\}`},
	}},
	{name: "unknown namespace, protocol 4", eio: 3, steps: []step{
		{"", "40"},
		{"40/nope,", `44/nope,"Invalid namespace"`},
	}, reference: "answers an object, which clients of that generation do not expect"},
	{name: "heartbeat of a client, protocol 4", eio: 3, steps: []step{
		{"", "40"},
		{"2", "3"},
	}},
	{name: "leave and join again in one burst", eio: 4, steps: []step{
		{"40/app,", `40/app,.*`},
		{"41/app,", "silence"},
		{"40/app,", `40/app,.*`},
	}},
	{name: "event before CONNECT", eio: 4, steps: []step{{`42["x"]`, "closed"}}},
	{name: "bad JSON", eio: 4, steps: []step{{"40/app,", `40/app,.*`}, {`42/app,["x"`, "closed"}}},
	{name: "unknown packet type", eio: 4, steps: []step{{"40/app,", `40/app,.*`}, {"49", "closed"}}},
	{name: "ping from a protocol 5 client", eio: 4, steps: []step{{"40/app,", `40/app,.*`}, {"2", "closed"}}},
}

func TestTranscripts(t *testing.T) {
	for _, p := range peers() {
		t.Run(p.name, func(t *testing.T) {
			r := p.start(t)
			defer r.stop()
			for _, tr := range transcripts {
				t.Run(tr.name, func(t *testing.T) {
					err := tr.play(r)
					switch {
					case err == nil:
					case p.name != "ours" && tr.reference != "":
						t.Logf("known difference (%s): %v", tr.reference, err)
					default:
						t.Error(err)
					}
				})
			}
		})
	}
}

func (tr transcript) play(r *running) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	path := "/socket.io/?transport=websocket&EIO=" + string(rune('0'+tr.eio))
	c, err := wsclient.DialSocket(ctx, strings.TrimPrefix(r.url, "http://"), path, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, open, err := c.ReadMessage(); err != nil || len(open) == 0 || open[0] != '0' {
		return errors.Join(errors.New("no open packet"), err)
	}
	for _, s := range tr.steps {
		if s.send != "" {
			if err := c.WriteText(s.send); err != nil {
				return err
			}
		}
		got, err := next(c, s.want)
		if err != nil {
			return err
		}
		if !regexp.MustCompile("^(?:" + s.want + ")$").MatchString(got) {
			return errors.New("sent " + s.send + ": got " + got + ", want " + s.want)
		}
	}
	return nil
}

func next(c *wsclient.Socket, want string) (string, error) {
	wait := 5 * time.Second
	if want == "silence" {
		wait = 50 * time.Millisecond
	}
	_ = c.SetReadDeadline(time.Now().Add(wait))
	_, data, err := c.ReadMessage()
	var ne net.Error
	switch {
	case err == nil:
		return string(data), nil
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &ne) && ne.Timeout():
		return "silence", nil
	}
	return "closed", nil
}
