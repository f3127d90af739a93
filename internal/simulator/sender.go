package simulator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lightpush/lightpush/internal/simulator/stats"
	"github.com/lightpush/lightpush/internal/simulator/wire"
)

// api is the REST side of the server.
type api struct {
	base     string // without a slash at its end
	user     string
	password string
	http     *http.Client
}

// restTimeout bounds one call.
const restTimeout = 30 * time.Second

// newAPI calls over at most conns connections; from may be the zero value.
func newAPI(cfg *Config, conns int, from netip.Addr) *api {
	base := cfg.PushServer
	if base == "" {
		base = cfg.Server
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	if from.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	return &api{
		base: strings.TrimRight(base, "/"), user: cfg.Namespace, password: cfg.PushPassword,
		http: &http.Client{Timeout: restTimeout, Transport: &http.Transport{
			DialContext: dialer.DialContext, MaxIdleConns: conns, MaxIdleConnsPerHost: conns, IdleConnTimeout: time.Minute,
		}},
	}
}

func (a *api) close() { a.http.CloseIdleConnections() }

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 1 << 20

// call returns status and body.
func (a *api) call(ctx context.Context, method, path string, body []byte) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.SetBasicAuth(a.user, a.password)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := a.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return res.StatusCode, text, err
}

// sending is the pushes of a run.
type sending struct {
	plan    *plan
	journal *journal
	api     *api
	clock   func() int64
	queues  []chan job // by sender, or one for all with EverySender

	mu       sync.Mutex
	figures  pushFigures
	failures map[string]int64
}

// pushFigures are what the callers have seen.
type pushFigures struct {
	attempts, accepted, late int64
	http                     stats.Histogram // from the time it was due to the answer
}

// job is one push that is due.
type job struct {
	stream int32
	size   int
	due    int64
}

// queueMax is how many due pushes wait for one sender; more are late and not sent.
const queueMax = 4096

func newSending(p *plan, j *journal, a *api, clock func() int64) *sending {
	s := &sending{plan: p, journal: j, api: a, clock: clock}
	n := p.cfg.PushSenders
	if p.cfg.EverySender {
		n = 1 // who is free takes what is due
	}
	for range n {
		s.queues = append(s.queues, make(chan job, queueMax))
	}
	return s
}

// run pushes until ctx ends, for Duration, or PushMax times; then it waits for the answers under way.
func (s *sending) run(ctx context.Context) {
	cfg := s.plan.cfg
	timed, cancel := context.WithTimeout(ctx, cfg.Duration)
	defer cancel()
	var wg sync.WaitGroup
	if cfg.PushRate < 0 {
		budget := make(chan struct{}, max(cfg.PushMax, 1))
		for range cfg.PushMax {
			budget <- struct{}{}
		}
		for i := range cfg.PushSenders {
			wg.Go(func() { s.flatOut(timed, ctx, i, budget) })
		}
		wg.Wait()
		return
	}
	for i := range cfg.PushSenders {
		wg.Go(func() {
			for j := range s.queues[i%len(s.queues)] {
				if ctx.Err() == nil {
					s.post(ctx, s.own(j, i))
				}
			}
		})
	}
	s.schedule(ctx)
	for _, q := range s.queues {
		close(q)
	}
	wg.Wait()
}

// schedule makes pushes due at their time, whatever became of earlier ones: all that fall into Duration, also when this
// process is late with them.
func (s *sending) schedule(ctx context.Context) {
	cfg := s.plan.cfg
	total := int(cfg.PushRate*cfg.Duration.Seconds() + 0.5)
	if cfg.PushMax > 0 {
		total = min(total, cfg.PushMax)
	}
	r := rand.New(rand.NewPCG(cfg.Seed, 3))
	start := s.clock()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for n := 0; ctx.Err() == nil && n < total; {
		due := start + int64(float64(n)/cfg.PushRate*1e9)
		if due > s.clock() {
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
			continue
		}
		n++
		j := s.choose(r)
		j.due = due
		select {
		case s.queues[s.plan.sender(j.stream)%len(s.queues)] <- j:
		default:
			s.mu.Lock()
			s.figures.late++
			s.mu.Unlock()
		}
	}
}

// own is a job as a sender's: with EverySender on its own stream to the same room.
func (s *sending) own(j job, sender int) job {
	if s.plan.cfg.EverySender && j.stream < s.plan.users {
		j.stream += int32(sender) - j.stream%int32(s.plan.perRoom())
	}
	return j
}

// choose picks where a push goes, and its size.
func (s *sending) choose(r *rand.Rand) job {
	p := s.plan
	size, _ := strconv.Atoi(p.cfg.PushSize.Pick(r.Float64())) // Check has parsed it
	if p.cfg.PushTarget.Pick(r.Float64()) == "user" {
		return job{stream: p.users + int32(r.IntN(p.cfg.Total)), size: size}
	}
	return job{stream: int32(r.IntN(len(p.rooms)) * p.perRoom()), size: size}
}

// flatOut pushes one after the other on the streams of one sender.
func (s *sending) flatOut(timed, ctx context.Context, sender int, budget chan struct{}) {
	p := s.plan
	r := rand.New(rand.NewPCG(p.cfg.Seed, uint64(sender)<<8|4))
	for timed.Err() == nil && s.journal.len() < maxPushes {
		if p.cfg.PushMax > 0 {
			select {
			case <-budget:
			default:
				return
			}
		}
		j := s.own(s.choose(r), sender)
		j.due = s.clock()
		s.post(ctx, j)
	}
}

// post sends one push and writes its fate down. Nothing is tried again: what is not answered with 200 may have been
// accepted or not, and proves nothing.
func (s *sending) post(ctx context.Context, j job) {
	at, seq := s.journal.begin(j.stream)
	body := s.body(j, seq)
	status, answer, err := s.api.call(ctx, http.MethodPost, "/api/auth/push", body)
	took := time.Duration(s.clock() - j.due)
	var ok struct{ ID int64 }
	why := ""
	switch {
	case err != nil:
		why = reason(err)
	case status != http.StatusOK:
		why = fmt.Sprintf("HTTP %d %s", status, clip(string(answer)))
	case json.Unmarshal(answer, &ok) != nil || ok.ID <= 0:
		why = "answer without an id: " + clip(string(answer))
	}
	f := accepted
	if why != "" {
		f = void
	}
	s.journal.settle(at, ok.ID, f)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.figures.attempts++
	if why != "" {
		count(&s.failures, why, 1)
		return
	}
	s.figures.accepted++
	s.figures.http.Record(took)
}

func (s *sending) body(j job, seq int32) []byte {
	room, _ := json.Marshal(s.plan.room(j.stream)) // strings always marshal
	b := make([]byte, 0, 160+len(room)+j.size)
	b = append(append(append(b, `{"room":`...), room...), `,"leaveMessage":false,"pushData":{`...)
	b = wire.AppendMark(b, s.plan.run, wire.Mark{Stream: j.stream, Seq: seq, Sent: j.due})
	b = append(b, `,"fill":"`...)
	for range j.size {
		b = append(b, 'x')
	}
	return append(b, `"}}`...)
}

// snapshot is a copy of the figures.
func (s *sending) snapshot() (pushFigures, map[string]int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.figures
	f.http = s.figures.http.Clone()
	failures := map[string]int64{}
	for why, n := range s.failures {
		failures[why] = n
	}
	return f, failures
}
