package room

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/lightpush/lightpush/internal/input"
	"github.com/lightpush/lightpush/internal/name"
)

// Refusals of a transfer in the order they are checked, the first three with
// the texts clients know (light-push-wire.md 1.4.7).
var (
	ErrTransferMissing = errors.New("targetRoom and sourceRooms and type and namespace can not be empty")
	ErrTargetInvalid   = errors.New("targetRoom invalid")
	ErrSourceInvalid   = errors.New("sourceRoom invalid")
	// ErrTransferType: light-push let every unknown type remove members
	// (B24).
	ErrTransferType = errors.New("type must be join or leave")
)

// ErrBusy is the answer to a transfer whose turn does not come in time.
// Nothing was done.
var ErrBusy = errors.New("another transfer of this namespace is under way, try again later")

// ParseTransfer reads a transfer in the namespace ns with at most limit
// sources; more are an *input.FieldError.
func ParseTransfer(rules name.Rules, f input.Fields, ns string, limit int) (t Transfer, err error) {
	target, hasTarget := f.Raw("targetRoom")
	sources, hasSources := f.Raw("sourceRooms")
	kind, hasType := f.Raw("type")
	if !hasTarget || !hasSources || !hasType || empty(target) || empty(kind) || sources[0] != '[' {
		return Transfer{}, ErrTransferMissing
	}
	t.Namespace = ns
	if t.Target, _, err = f.Text("targetRoom", 4*rules.RoomMax); err != nil || !rules.Room(t.Target) {
		return Transfer{}, ErrTargetInvalid
	}
	list, _, err := f.Texts("sourceRooms", math.MaxInt, 4*rules.RoomMax, false)
	switch {
	case err != nil || slices.ContainsFunc(list, func(r string) bool { return !rules.Room(r) }):
		return Transfer{}, ErrSourceInvalid
	case len(list) == 0:
		return Transfer{}, ErrTransferMissing
	case len(list) > limit:
		return Transfer{}, &input.FieldError{Field: "sourceRooms", Problem: fmt.Sprintf("must have at most %d elements", limit)}
	}
	for _, r := range list {
		if !slices.Contains(t.Sources, r) {
			t.Sources = append(t.Sources, r)
		}
	}
	t.Type, _, err = f.Text("type", 16)
	if err != nil || (t.Type != TransferJoin && t.Type != TransferLeave) {
		return Transfer{}, ErrTransferType
	}
	return t, nil
}

func empty(raw []byte) bool { return string(raw) == `""` }
