package store

import (
	"maps"
	"testing"
	"time"
)

func TestAddresses(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		now := time.UnixMilli(1_800_000_000_000)
		s := b.open(t, func(o *Options) { o.Now = func() time.Time { return now } })
		first := "10.0.0.1:1"
		s.Advertise("a", func() string { return first })
		s.Advertise("b", func() string { return "10.0.0.2:2" })
		want := func(want map[string]string) {
			t.Helper()
			if got := must[map[string]string](t)(s.Addresses(t.Context())); !maps.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		}
		want(map[string]string{})
		for _, node := range []string{"a", "b", "c"} {
			must[bool](t)(s.Beat(t.Context(), node, time.Minute))
		}
		want(map[string]string{"a": "10.0.0.1:1", "b": "10.0.0.2:2"})
		first = "10.0.0.1:3"
		check(t, s.AdvertiseNow(t.Context(), "a"))
		check(t, s.AdvertiseNow(t.Context(), "c")) // which has none
		want(map[string]string{"a": "10.0.0.1:3", "b": "10.0.0.2:2"})
		check(t, s.Drop(t.Context(), "a"))
		want(map[string]string{"b": "10.0.0.2:2"})
		must[bool](t)(s.Beat(t.Context(), "a", 2*time.Minute)) // it lives
		now = now.Add(90 * time.Second)                        // b does not
		want(map[string]string{"a": "10.0.0.1:3"})
	})
}

func TestClusterSecret(t *testing.T) {
	onEach(t, func(t *testing.T, b *backend) {
		s := b.open(t, nil)
		for _, fresh := range []string{"first", "second"} {
			if got := must[string](t)(s.ClusterSecret(t.Context(), fresh)); got != "first" {
				t.Errorf("got %q", got)
			}
		}
	})
}
