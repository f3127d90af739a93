package apns

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/leaktest"
	"github.com/lightpush/lightpush/internal/namespace"
	"github.com/lightpush/lightpush/logic/offline/provider"
	"github.com/lightpush/lightpush/test/apnsgateway"
)

// TestMain fails the run when a goroutine is left behind.
func TestMain(m *testing.M) { os.Exit(leaktest.Run(m)) }

// spaces are namespaces in memory.
type spaces struct {
	mu  sync.Mutex
	all map[string]*namespace.Namespace // nil: not loaded
}

func (s *spaces) Ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all != nil
}

func (s *spaces) Get(key string) (*namespace.Namespace, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.all[key]
	return n, ok
}

func (s *spaces) put(key string, profiles ...namespace.APNsProfile) *namespace.Namespace {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := &namespace.Namespace{Key: key, APNs: profiles}
	s.all[key] = n
	return n
}

// bench is a provider before a gateway. The root has a default profile with
// a token key, /demo a profile "cert" with a certificate.
type bench struct {
	*Provider
	gateway *apnsgateway.Gateway
	spaces  *spaces
	public  *ecdsa.PublicKey
	profile namespace.APNsProfile // the default one

	mu     sync.Mutex
	errors []error
	seen   map[provider.Outcome]int
}

func newBench(t testing.TB, o Options, g apnsgateway.Options) *bench {
	t.Helper()
	gateway, err := apnsgateway.Start(g)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(gateway.Close)
	b := &bench{gateway: gateway, spaces: &spaces{all: map[string]*namespace.Namespace{}}, seen: map[provider.Outcome]int{}}
	key, public, err := apnsgateway.NewTokenKey()
	if err != nil {
		t.Fatal(err)
	}
	b.public = public
	b.profile = namespace.APNsProfile{
		Name: "default", Env: "production", Topic: "com.example.app", TokenKey: key, TokenKeyID: "ABC123DEFG", TokenTeamID: "DEF123GHIJ",
	}
	b.spaces.put("/", b.profile)
	cert, certKey, err := gateway.Authority().Client("Apple Push Services: com.example.app", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	b.spaces.put("/demo", namespace.APNsProfile{Name: "cert", Env: "dev", DevCert: cert, DevKey: certKey, Topic: "com.example.app"})
	o.Namespaces = b.spaces
	if o.Host == "" {
		o.Host = gateway.URL()
	}
	o.RootCAs = x509.NewCertPool()
	o.RootCAs.AppendCertsFromPEM(gateway.Authority().PEM())
	if o.Backoff == 0 {
		o.Backoff = time.Millisecond
	}
	o.OnError = func(ns, profile string, err error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.errors = append(b.errors, fmt.Errorf("%s %s: %w", ns, profile, err))
	}
	o.Observe = func(outcome provider.Outcome, _ int, took time.Duration) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.seen[outcome]++; took < 0 {
			t.Errorf("took %v", took)
		}
	}
	if b.Provider, err = New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func (b *bench) open(t testing.TB, ns, name string) provider.Sender {
	t.Helper()
	s, err := b.Open(ns, name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// hexToken is a device token like Apple's.
func hexToken(i int) string { return fmt.Sprintf("%064x", i) }

func devices(n int, payload string) []provider.Notification {
	batch := make([]provider.Notification, n)
	shared := json.RawMessage(payload)
	for i := range batch {
		batch[i] = provider.Notification{
			MessageID: 7, Namespace: "/demo", Room: "r", ClientID: fmt.Sprintf("/demo#u#ios-%d", i), Token: hexToken(i),
			Payload: shared, ExpireAt: time.Now().Add(time.Hour).UnixMilli(),
		}
	}
	return batch
}

// send sends one notification with the default profile.
func (b *bench) send(t testing.TB, payload string) provider.Result {
	t.Helper()
	return b.open(t, "/demo", "").Send(t.Context(), devices(1, payload))[0]
}

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// eventually polls until ok or a deadline.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}
