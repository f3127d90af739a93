package offline

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/leaktest"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/internal/push"
	"github.com/lightpush/lightpush/logic/offline/provider"
)

// TestMain fails the run when a goroutine is left behind.
func TestMain(m *testing.M) { os.Exit(leaktest.Run(m)) }

// memory is a Store.
type memory struct {
	mu        sync.Mutex
	messages  map[int64]*push.Message
	audience  map[string][]string // platform → client ids
	devices   map[string]push.Recipient
	acked     map[string]bool
	inboxes   map[string]int // entries placed and not taken out
	fates     map[string]push.Fate
	directs   []string
	result    string
	attempts  int
	successes int
	ran       bool
	finished  int
	dropped   []string

	calls   int
	failAt  int // the call that fails, and all behind it; 0: none
	onPlace func(client string)
	full    int64 // what each inbox loses
	maxStep int
}

var errStoreGone = errors.New("connection refused")

func newMemory(m *push.Message) *memory {
	return &memory{
		messages: map[int64]*push.Message{m.ID: m}, audience: map[string][]string{}, devices: map[string]push.Recipient{},
		acked: map[string]bool{}, inboxes: map[string]int{}, fates: map[string]push.Fate{},
	}
}

// add makes a device of the audience.
func (s *memory) add(platform, name string, change func(*push.Recipient)) string {
	id := "/demo#" + name + "#" + platform + "-1"
	r := push.Recipient{ClientID: id, Known: true, Token: "token-" + name}
	if change != nil {
		change(&r)
	}
	s.audience[platform] = append(s.audience[platform], id)
	s.devices[id] = r
	return id
}

func (s *memory) call(clients int) (func(), error) {
	s.mu.Lock()
	s.calls++
	s.maxStep = max(s.maxStep, clients)
	if s.failAt > 0 && s.calls >= s.failAt {
		s.mu.Unlock()
		return nil, errStoreGone
	}
	return s.mu.Unlock, nil
}

func (s *memory) Message(_ context.Context, id int64) (*push.Message, error) {
	done, err := s.call(0)
	if err != nil {
		return nil, err
	}
	defer done()
	return s.messages[id], nil
}

func (s *memory) Audience(_ context.Context, _, _, platform string, cursor uint64, count int) ([]string, uint64, error) {
	done, err := s.call(count)
	if err != nil {
		return nil, 0, err
	}
	defer done()
	all := s.audience[platform]
	end := min(int(cursor)+count, len(all))
	next := uint64(end)
	if end == len(all) {
		next = 0
	}
	return all[cursor:end], next, nil
}

func (s *memory) Marks(_ context.Context, _ int64, _ string, clients []string) ([]bool, []push.Fate, error) {
	done, err := s.call(len(clients))
	if err != nil {
		return nil, nil, err
	}
	defer done()
	acked, fates := make([]bool, len(clients)), make([]push.Fate, len(clients))
	for i, c := range clients {
		acked[i], fates[i] = s.acked[c], s.fates[c]
	}
	return acked, fates, nil
}

func (s *memory) Recipients(_ context.Context, _, _ string, clients []string) ([]push.Recipient, error) {
	done, err := s.call(len(clients))
	if err != nil {
		return nil, err
	}
	defer done()
	list := make([]push.Recipient, len(clients))
	for i, c := range clients {
		list[i] = s.devices[c]
	}
	return list, nil
}

func (s *memory) Place(_ context.Context, _ *push.Message, clients []string, _ int) ([]push.Placed, error) {
	done, err := s.call(len(clients))
	if err != nil {
		return nil, err
	}
	defer done()
	list := make([]push.Placed, len(clients))
	for i, c := range clients {
		d := s.devices[c]
		list[i] = push.Placed{Known: d.Known, OptOut: d.OptOut}
		if !d.Known || d.OptOut {
			continue
		}
		s.inboxes[c] = 1
		list[i].Node, list[i].Gen, list[i].Dropped = d.Node, d.Gen, s.full
		if s.onPlace != nil {
			s.onPlace(c)
		}
	}
	return list, nil
}

func (s *memory) Unplace(_ context.Context, _ *push.Message, clients []string) error {
	done, err := s.call(len(clients))
	if err != nil {
		return err
	}
	defer done()
	for _, c := range clients {
		delete(s.inboxes, c)
	}
	return nil
}

func (s *memory) Direct(_ context.Context, _ *push.Message, clients, nodes []string) error {
	done, err := s.call(len(clients))
	if err != nil {
		return err
	}
	defer done()
	for i, c := range clients {
		s.directs = append(s.directs, c+"@"+nodes[i])
	}
	return nil
}

func (s *memory) Settle(_ context.Context, _ int64, run push.Run, fates []push.Settled) error {
	done, err := s.call(len(fates))
	if err != nil {
		return err
	}
	defer done()
	if run.Intro != "" {
		if !s.ran {
			s.result = run.Intro
		}
		s.ran = true
	}
	for _, f := range fates {
		was := s.fates[f.ClientID]
		if was.Final() || was.State == f.Fate.State {
			continue
		}
		s.fates[f.ClientID] = f.Fate
		switch f.Fate.State {
		case push.StateAPNs, push.StateAPNsFailed, push.StatePending:
			if was.State != push.StatePending && was.Detail != push.DetailAgain {
				s.attempts++
			}
			if f.Fate.State == push.StateAPNs {
				s.successes++
			}
		}
		if f.Text != "" && run.Intro != "" {
			s.result += run.Separator + f.Text
		}
	}
	return nil
}

func (s *memory) Finish(_ context.Context, _ int64, result string) error {
	done, err := s.call(0)
	if err != nil {
		return err
	}
	defer done()
	s.finished++
	if s.result == "" {
		s.result = result
	}
	return nil
}

func (s *memory) DropToken(_ context.Context, _, clientID, token string) (bool, error) {
	done, err := s.call(1)
	if err != nil {
		return false, err
	}
	defer done()
	d := s.devices[clientID]
	if d.Token != token {
		return false, nil
	}
	d.Token = ""
	s.devices[clientID] = d
	s.dropped = append(s.dropped, clientID)
	return true, nil
}

// state is everything that is to be decided, in words.
func (s *memory) state() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, c := range slices.Sorted(maps.Keys(s.devices)) {
		name := strings.Split(c, "#")[1]
		text := name + ":" + string(s.fates[c].State)
		if s.inboxes[c] > 0 {
			text += "+kept"
		}
		lines = append(lines, text)
	}
	return strings.Join(lines, " ")
}

// service is a provider.Provider that answers by the token.
type service struct {
	mu      sync.Mutex
	sent    []string // client ids, with every repetition
	batches int
	openErr error
	away    bool
	onSend  func(n provider.Notification)
	payload string
}

func (s *service) Name() string    { return "apns" }
func (s *service) Member() string  { return "apsData" }
func (s *service) MaxPayload() int { return 4096 }

func (s *service) Open(ns, name string) (provider.Sender, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.openErr != nil {
		return nil, s.openErr
	}
	return sender{s, provider.TextIntro(ns + name)}, nil
}

type sender struct {
	s     *service
	intro string
}

func (s sender) Intro() string { return s.intro }

func (s sender) Send(_ context.Context, batch []provider.Notification) []provider.Result {
	s.s.mu.Lock()
	defer s.s.mu.Unlock()
	s.s.batches++
	list := make([]provider.Result, len(batch))
	for i, n := range batch {
		s.s.sent = append(s.s.sent, n.ClientID)
		s.s.payload = string(n.Payload)
		if s.s.onSend != nil {
			s.s.onSend(n)
		}
		switch {
		case s.s.away || strings.Contains(n.Token, "throttled"):
			list[i] = provider.Result{Outcome: provider.Unavailable, Reason: "gone", Text: provider.TextConnection("gone"), RetryAfter: 3 * time.Second}
		case strings.Contains(n.Token, "bad"):
			list[i] = provider.Result{Outcome: provider.BadToken, Status: 410, Reason: "Unregistered", Text: provider.TextRefused(false, "Unregistered", 410)}
		case strings.Contains(n.Token, "rejected"):
			list[i] = provider.Result{Outcome: provider.Rejected, Status: 413, Reason: "PayloadTooLarge", Text: provider.TextRefused(false, "PayloadTooLarge", 413)}
		default:
			list[i] = provider.Result{Outcome: provider.Sent, Status: 200, ID: "id-" + n.ClientID}
		}
	}
	return list
}

// registry is a Namespaces.
type registry struct {
	mu      sync.Mutex
	shown   map[string]*namespace.Namespace
	stored  map[string]*namespace.Namespace
	reloads int
	loading bool
	err     error
}

func newRegistry() *registry {
	r := &registry{stored: map[string]*namespace.Namespace{"/demo": {Key: "/demo"}}}
	r.shown = maps.Clone(r.stored)
	return r
}

func (r *registry) Ready() bool { return !r.loading }

func (r *registry) Get(key string) (*namespace.Namespace, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ns, ok := r.shown[key]
	return ns, ok
}

func (r *registry) Reload(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reloads++
	if r.err != nil {
		return r.err
	}
	r.shown = maps.Clone(r.stored)
	return nil
}

var (
	sentAt = time.UnixMilli(1_800_000_000_000)
	now    = sentAt.Add(5 * time.Second)
)

func testMessage() *push.Message {
	leave, except := true, "/demo#sender#android-1"
	return &push.Message{
		ID: 7, Namespace: "/demo", Room: "r", PushData: []byte(`{"m":1,"apsData":{"aps":{"alert":"hey"}}}`),
		SendDate: sentAt.UnixMilli(), ExpireAt: sentAt.Add(time.Hour).UnixMilli(), Expire: "1",
		LeaveMessage: &leave, Except: &except,
	}
}

func newHandler(t testing.TB, s *memory, p *service, change func(*Options)) *Handler {
	t.Helper()
	o := Options{
		Store: s, Namespaces: newRegistry(), InboxPlatforms: []string{client.Android}, Wait: 5 * time.Second,
		Now: func() time.Time { return now },
	}
	if p != nil {
		o.Providers = provider.Set{client.IOS: p}
	}
	if change != nil {
		change(&o)
	}
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// online makes a device connected since d after the message.
func online(d time.Duration) func(*push.Recipient) {
	return func(r *push.Recipient) { r.Node, r.Gen = "n1", sentAt.Add(d).UnixMilli() }
}
