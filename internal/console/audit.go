package console

import (
	"context"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// Act is one administrative act, as the audit log shows it.
type Act struct {
	Time      int64  `json:"time"`  // ms
	Actor     string `json:"actor"` // name of the account
	Role      Role   `json:"role"`  // "" for a login that failed
	Address   string `json:"address"`
	Action    string `json:"action"`
	Namespace string `json:"namespace"` // "" when it concerns none
	Target    string `json:"target"`
	Detail    string `json:"detail"`
}

// AuditStore keeps a list of acts of bounded length, the newest first.
type AuditStore interface {
	AddAct(ctx context.Context, act []byte, most int) error
	Acts(ctx context.Context, offset, count int) (acts [][]byte, total int64, err error)
}

// AuditMost is how many acts are kept.
const AuditMost = 10_000

const (
	auditStep    = 1000 // acts that are read at once
	auditTextMax = 1000 // bytes of one field
)

// Audit is the log of administrative acts.
type Audit struct{ store AuditStore }

// NewAudit returns an Audit.
func NewAudit(store AuditStore) *Audit { return &Audit{store: store} }

// Add writes an act; long texts are cut.
func (a *Audit) Add(ctx context.Context, act Act) error {
	for _, text := range []*string{&act.Actor, &act.Address, &act.Action, &act.Namespace, &act.Target, &act.Detail} {
		*text = cut(*text, auditTextMax)
	}
	data, err := json.Marshal(act)
	if err != nil {
		return err
	}
	return a.store.AddAct(ctx, data, AuditMost)
}

// ActPage is one page of the log, the newest first, and the number of acts
// on all pages.
type ActPage struct {
	List  []Act `json:"list"`
	Total int64 `json:"total"`
}

// List returns page (from 1) of the acts that concern ns, all with "". Its
// work is bounded by AuditMost.
func (a *Audit) List(ctx context.Context, ns string, page, size int) (ActPage, error) {
	found := ActPage{List: []Act{}}
	page, size = min(max(page, 1), AuditMost), min(max(size, 1), AuditMost)
	from := (page - 1) * size
	if ns == "" {
		acts, total, err := a.store.Acts(ctx, from, size)
		for _, data := range acts {
			if act, ok := decodeAct(data); ok {
				found.List = append(found.List, act)
			}
		}
		found.Total = total
		return found, err
	}
	for offset := 0; offset < AuditMost; offset += auditStep {
		acts, _, err := a.store.Acts(ctx, offset, auditStep)
		if err != nil {
			return ActPage{}, err
		}
		for _, data := range acts {
			act, ok := decodeAct(data)
			if !ok || act.Namespace != ns {
				continue
			}
			if n := int(found.Total); n >= from && n < from+size {
				found.List = append(found.List, act)
			}
			found.Total++
		}
		if len(acts) < auditStep {
			break
		}
	}
	return found, nil
}

func decodeAct(data []byte) (act Act, ok bool) {
	return act, json.Unmarshal(data, &act) == nil
}

// cut keeps whole characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return strings.ToValidUTF8(text, "\uFFFD")
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return strings.ToValidUTF8(text[:most], "\uFFFD")
}
