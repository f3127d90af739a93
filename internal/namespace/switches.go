package namespace

import "github.com/lightpush/lightpush/internal/input"

// Choice is a switch that may also be left to the configuration.
type Choice struct{ Value *bool } // nil: the configuration decides

// parseSwitches reads client_push and join_foreign_user_room; null and ""
// leave the former alone and leave the latter to the configuration.
func (p *Patch) parseSwitches(f input.Fields) error {
	on, ok, err := f.Bool("client_push")
	if err != nil {
		return &input.FieldError{Field: "client_push", Problem: "must be on or off"}
	}
	if ok {
		off := !on
		p.ClientPushOff = &off
	}
	if _, given := f["join_foreign_user_room"]; !given {
		return nil
	}
	on, ok, err = f.Bool("join_foreign_user_room")
	if err != nil {
		return &input.FieldError{Field: "join_foreign_user_room", Problem: "must be on, off or empty"}
	}
	p.JoinForeign = &Choice{}
	if ok {
		p.JoinForeign.Value = &on
	}
	return nil
}

func (p *Patch) applySwitches(n *Namespace) {
	if p.ClientPushOff != nil {
		n.ClientPushOff = *p.ClientPushOff
	}
	if p.JoinForeign != nil {
		n.JoinForeign = p.JoinForeign.Value
	}
}
