package push

import (
	"errors"
	"testing"

	"github.com/lightpush/lightpush/internal/namespace"
)

// A namespace may be stricter than the rules.
func TestParseWithinTheNamespace(t *testing.T) {
	ns := &namespace.Namespace{Key: "/demo", Limits: namespace.Limits{PushBytes: 7, DefaultExpire: 3, MaxExpire: 4, HistoryMax: 5}}
	for body, want := range map[string]error{
		`{"room":"r","pushData":{"a":1}}`:                          nil,
		`{"room":"r","pushData":{ "a" : 1 }}`:                      nil, // as it is sent
		`{"room":"r","pushData":{"a":10}}`:                         ErrTooLarge,
		`{"room":"r","pushData":"{\"a\":10}"}`:                     ErrTooLarge,
		`{"room":"r","pushData":{"a":10},"expire":100}`:            ErrTooLarge, // before expire
		`{"room":"r","pushData":{},"expire":4}`:                    nil,
		`{"room":"r","pushData":{},"expire":4.01}`:                 ErrExpireInvalid,
		`{"room":"r","pushData":{},"expire":"10"}`:                 ErrExpireInvalid,
		`{"room":"","pushData":{"a":10}}`:                          ErrRoomMissing,
		`{"room":"r","pushData":{"a":10},"except":["not a text"]}`: ErrExcept,
	} {
		if _, err := rules.Parse(fields(t, body), ns); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", body, err, want)
		}
	}
	req, err := rules.Parse(fields(t, `{"room":"r","pushData":{}}`), ns)
	if err != nil || req.ExpireHours != 3 {
		t.Errorf("%+v %v", req, err)
	}
	raised := &namespace.Namespace{Key: "/demo", Granted: namespace.Limits{MaxExpire: 20}}
	if req, err = rules.Parse(fields(t, `{"room":"r","pushData":{},"expire":20}`), raised); err != nil || req.ExpireHours != 20 {
		t.Errorf("%+v %v", req, err)
	}
}

// What a namespace does not limit costs nothing to ask.
func TestLimitsOfANamespaceDoNotAllocate(t *testing.T) {
	ns := &namespace.Namespace{Key: "/demo"}
	if n := testing.AllocsPerRun(100, func() {
		ns.ExpireHours(1, 10)
		ns.PushBytes()
		ns.PushesPerSecond()
		ns.HistoryMax()
	}); n != 0 {
		t.Errorf("%g allocations", n)
	}
}
