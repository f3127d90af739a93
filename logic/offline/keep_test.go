package offline

import (
	"context"
	"testing"

	"github.com/lightpush/lightpush/internal/namespace"
)

// limitedNamespaces has one namespace.
type limitedNamespaces struct{ ns *namespace.Namespace }

func (limitedNamespaces) Ready() bool                  { return true }
func (limitedNamespaces) Reload(context.Context) error { return nil }
func (l limitedNamespaces) Get(string) (*namespace.Namespace, bool) {
	return l.ns, l.ns != nil
}

// The inboxes of a namespace may be smaller than the configuration says.
func TestInboxMaxOfANamespace(t *testing.T) {
	for want, ns := range map[int]*namespace.Namespace{
		100: nil, 7: {Limits: namespace.Limits{InboxMax: 7}}, 500: {Granted: namespace.Limits{InboxMax: 500}},
	} {
		h, err := New(Options{Store: newMemory(testMessage()), Namespaces: limitedNamespaces{ns}})
		if err != nil {
			t.Fatal(err)
		}
		if got := h.inboxMax("/demo"); got != want {
			t.Errorf("inboxes keep %d, want %d", got, want)
		}
	}
}
