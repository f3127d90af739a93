package ring

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lightpush/lightpush/test/chaos/ledger"
)

// sender is one business system: it pushes one message after the other, each after the answer to the one before, and
// goes to another logic process when one does not answer. A repeat is a new push with an entry of its own.
type sender struct {
	ring  *ring
	lane  int
	every time.Duration
	rng   *rand.Rand
	logic int
}

const requestTimeout = 8 * time.Second

// markers numbers the pushes of a run.
type markers struct{ atomic.Int64 }

// run sends until ctx ends; the last request is waited for.
func (s *sender) run(ctx context.Context) {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p, body := s.draw()
		for tries := 0; ; tries++ {
			p.Marker, p.Logic = s.ring.markers.Add(1), s.logic
			if s.send(p, body(p.Marker)) || tries == 2 {
				break
			}
			s.logic = (s.logic + 1) % len(s.ring.apis)
			if !pause(ctx, 200*time.Millisecond) {
				return
			}
		}
	}
}

// draw makes a push and the function that writes its body.
func (s *sender) draw() (ledger.Push, func(marker int64) map[string]any) {
	f, rng := s.ring.fleet, s.rng
	d := f.devices[rng.IntN(len(f.devices))] // its namespace, and somebody the push is for
	p := ledger.Push{Lane: s.lane, Namespace: d.spec.Namespace, Room: "user_" + d.spec.User}
	if rng.IntN(2) == 0 {
		p.Room = f.rooms[rng.IntN(len(f.rooms))]
	}
	p.Leave = rng.Float64() < s.ring.options.Leave
	if rng.IntN(10) == 0 {
		p.Except = f.devices[rng.IntN(len(f.devices))].spec.ID
		if rng.IntN(2) == 0 {
			p.Except = d.spec.ID
		}
	}
	if rng.IntN(16) == 0 {
		p.Expire = time.Duration(2+rng.IntN(6)) * time.Second
	}
	p.Illegal = rng.IntN(25) == 0
	fault, size := rng.IntN(3), 20+rng.IntN(200)
	if rng.IntN(50) == 0 {
		size = 8000
	}
	return p, func(marker int64) map[string]any {
		data := map[string]any{"m": marker, "t": strings.Repeat("x", size)}
		body := map[string]any{"room": p.Room, "pushData": data, "leaveMessage": p.Leave}
		if p.Leave {
			data["apsData"] = map[string]any{"aps": map[string]any{"alert": "chaos"}, "m": marker}
		}
		if p.Except != "" {
			body["except"] = p.Except
		}
		if p.Expire > 0 {
			body["expire"] = p.Expire.Hours()
		}
		if p.Illegal {
			switch fault {
			case 0:
				body["expire"] = 1000
			case 1:
				body["except"] = map[string]any{"id": 1}
			default:
				body["leaveMessage"] = true
				data["apsData"] = map[string]any{"m": marker, "t": strings.Repeat("x", 6000)}
			}
		}
		return body
	}
}

// send makes one request and enters it; true when there is nothing to repeat.
func (s *sender) send(p ledger.Push, body any) bool {
	r := s.ring
	data, err := json.Marshal(body)
	if err != nil {
		panic(err) // maps of texts and numbers
	}
	// Not the context of the run: an answer that is on its way is read.
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.apis[s.logic]+"/api/auth/push", bytes.NewReader(data))
	if err != nil {
		panic(err) // a fixed URL
	}
	req.SetBasicAuth(p.Namespace, r.passwords[p.Namespace])
	req.Header.Set("Content-Type", "application/json")
	r.ledger.Send(r.now(), p)
	resp, err := r.http.Do(req)
	if err != nil {
		outcome := ledger.Unknown
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			outcome = ledger.Nothing // it was never sent
		}
		r.ledger.Answer(r.now(), p.Marker, outcome, 0, err.Error())
		return false
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	_ = resp.Body.Close()
	var fields struct {
		ID   int64
		Code int
	}
	_ = json.Unmarshal(answer, &fields)
	outcome := ledger.Unknown
	switch {
	case resp.StatusCode == http.StatusOK && err == nil && fields.ID > 0:
		outcome = ledger.Accepted
	case resp.StatusCode >= 400 && resp.StatusCode < 500:
		outcome = ledger.Refused
	case resp.StatusCode == http.StatusServiceUnavailable && fields.Code == 1201:
		outcome = ledger.Nothing
	}
	r.ledger.Answer(r.now(), p.Marker, outcome, fields.ID, fmt.Sprintf("(status %d %.200s)", resp.StatusCode, bytes.TrimSpace(answer)))
	return outcome == ledger.Accepted || outcome == ledger.Refused
}
