package namespace

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/input"
	"github.com/lightpush/lightpush/internal/name"
)

// configuredForTests has a limit of every kind but those the configuration
// does not have.
var configuredForTests = Limits{
	Connections: 100, ConnectionsPerUser: 10, RoomsPerClient: 50,
	DefaultExpire: 2, MaxExpire: 10, InboxMax: 30, HistoryMax: 40, ClientExpire: 240,
}

// saveLimits applies one save, by an administrator or by the namespace.
func saveLimits(t *testing.T, n *Namespace, admin bool, body string) (*Namespace, error) {
	t.Helper()
	fields, err := input.FromJSON([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParsePatch(name.DefaultRules(), fields, n.Key)
	if err != nil {
		return nil, err
	}
	p.ByAdmin, p.Configured = admin, configuredForTests
	return p.Apply(n, 1)
}

func TestLimitsWhoMaySetWhat(t *testing.T) {
	const owner, admin = false, true
	type save struct {
		by      bool
		body    string
		refused string // the field it names, "" for none
	}
	for _, tc := range []struct {
		what    string
		saves   []save
		shown   string // of the field max_connections
		inForce int
	}{
		{"nothing", nil, "0", 100},
		{"tightened", []save{{owner, `{"max_connections":5}`, ""}}, "5", 5},
		{"as text", []save{{owner, `{"max_connections":"5"}`, ""}}, "5", 5},
		{"as much as configured", []save{{owner, `{"max_connections":100}`, ""}}, "100", 100},
		{"lifted", []save{{owner, `{"max_connections":101}`, "max_connections"}}, "0", 100},
		{"lifted by an administrator", []save{{admin, `{"max_connections":1000}`, ""}}, "1000", 1000},
		{"back", []save{{owner, `{"max_connections":5}`, ""}, {owner, `{"max_connections":0}`, ""}}, "0", 100},
		{"back by null", []save{{owner, `{"max_connections":5}`, ""}, {owner, `{"max_connections":null}`, ""}}, "0", 100},
		{"back by nothing", []save{{owner, `{"max_connections":5}`, ""}, {owner, `{"max_connections":""}`, ""}}, "0", 100},
		{"not given", []save{{owner, `{"max_connections":5}`, ""}, {owner, `{"name":"x"}`, ""}}, "5", 5},
		{"an owner below an administrator", []save{{admin, `{"max_connections":20}`, ""}, {owner, `{"max_connections":10}`, ""}}, "10", 10},
		{"an owner above an administrator", []save{{admin, `{"max_connections":20}`, ""}, {owner, `{"max_connections":21}`, "max_connections"}}, "20", 20},
		{"an owner does not lift an administrator's", []save{{admin, `{"max_connections":20}`, ""}, {owner, `{"max_connections":0}`, ""}}, "20", 20},
		{"an owner below a raised one", []save{{admin, `{"max_connections":1000}`, ""}, {owner, `{"max_connections":500}`, ""}}, "500", 500},
		{"an owner goes back to a raised one", []save{{admin, `{"max_connections":1000}`, ""}, {owner, `{"max_connections":5}`, ""}, {owner, `{"max_connections":0}`, ""}}, "1000", 1000},
		{"a raised one sent back", []save{{admin, `{"max_connections":1000}`, ""}, {owner, `{"max_connections":1000,"name":"x"}`, ""}}, "1000", 1000},
		{"an administrator overrides an owner", []save{{owner, `{"max_connections":5}`, ""}, {admin, `{"max_connections":7}`, ""}, {owner, `{"max_connections":0}`, ""}}, "7", 7},
		{"an owner's sent back by an administrator stays the owner's", []save{{owner, `{"max_connections":5}`, ""}, {admin, `{"max_connections":5}`, ""}, {owner, `{"max_connections":60}`, ""}}, "60", 60},
		{"an administrator takes back", []save{{admin, `{"max_connections":7}`, ""}, {admin, `{"max_connections":0}`, ""}}, "0", 100},
		{"no number", []save{{admin, `{"max_connections":"many"}`, "max_connections"}}, "0", 100},
		{"a fraction", []save{{admin, `{"max_connections":1.5}`, "max_connections"}}, "0", 100},
		{"negative", []save{{admin, `{"max_connections":-1}`, "max_connections"}}, "0", 100},
		{"too many", []save{{admin, `{"max_connections":1000000001}`, "max_connections"}}, "0", 100},
		{"beyond every number", []save{{admin, `{"max_connections":1e300}`, "max_connections"}}, "0", 100},
		{"an object", []save{{admin, `{"max_connections":{}}`, "max_connections"}}, "0", 100},
		{"a limit the configuration does not have", []save{{owner, `{"max_push_bytes":5000000}`, ""}}, "0", 100},
		{"history above the configuration", []save{{admin, `{"history_max":41}`, "history_max"}}, "0", 100},
		{"life above the longest", []save{{owner, `{"default_expire":11}`, "default_expire"}}, "0", 100},
		{"life above the longest of its own", []save{{owner, `{"max_expire":3,"default_expire":4}`, "default_expire"}}, "0", 100},
		{"longest below the life", []save{{owner, `{"default_expire":4}`, ""}, {owner, `{"max_expire":3}`, "default_expire"}}, "0", 100},
		{"life above the configured one", []save{{owner, `{"default_expire":9}`, ""}}, "0", 100},
	} {
		n := &Namespace{Key: "/demo"}
		for _, s := range tc.saves {
			saved, err := saveLimits(t, n, s.by, s.body)
			var field *input.FieldError
			if s.refused == "" != (err == nil) || s.refused != "" && (!errors.As(err, &field) || field.Field != s.refused) {
				t.Errorf("%s: %s: %v", tc.what, s.body, err)
			}
			if err == nil {
				n = saved
			}
		}
		var public struct {
			Shown json.Number `json:"max_connections"`
		}
		data, _ := json.Marshal(n.Public())
		_ = json.Unmarshal(data, &public)
		if got := n.InForce(configuredForTests).Connections; public.Shown.String() != tc.shown || got != tc.inForce {
			t.Errorf("%s: shown %s, in force %d", tc.what, public.Shown, got)
		}
	}
}

func TestLimitsNamesEveryField(t *testing.T) {
	var body []string
	for i, field := range limitFields {
		body = append(body, fmt.Sprintf("%q:%d", field.name, i+1))
	}
	text := "{" + strings.Join(body, ",") + "}"
	n, err := saveLimits(t, &Namespace{Key: "/demo"}, true, strings.Replace(text, `"default_expire":7`, `"default_expire":8`, 1))
	if err != nil {
		t.Fatal(err)
	}
	var shown, want map[string]any
	data, _ := json.Marshal(PublicLimits(n.shownLimits()))
	_ = json.Unmarshal(data, &shown)
	_ = json.Unmarshal([]byte(strings.Replace(text, `"default_expire":7`, `"default_expire":8`, 1)), &want)
	if len(shown) != len(limitFields) || fmt.Sprint(shown) != fmt.Sprint(want) {
		t.Errorf("shown %v, want %v", shown, want)
	}
	stored, err := n.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Decode(stored)
	if err != nil || again.Limits != n.Limits || again.Granted != n.Granted {
		t.Errorf("stored %s: %+v %v", stored, again, err)
	}
	// A namespace without limits is stored as ever.
	if plain, _ := (&Namespace{Key: "/demo"}).Encode(); strings.Contains(string(plain), "Limits") || strings.Contains(string(plain), "Granted") {
		t.Errorf("stored %s", plain)
	}
}

func TestLimitsInForce(t *testing.T) {
	own := func(l Limits) *Namespace { return &Namespace{Limits: l} }
	granted := func(l Limits) *Namespace { return &Namespace{Granted: l} }
	for _, tc := range []struct {
		what          string
		n             *Namespace
		life, longest float64
	}{
		{"configured", own(Limits{}), 1, 10},
		{"shorter", own(Limits{MaxExpire: 2}), 1, 2},
		{"life above a shorter longest", own(Limits{DefaultExpire: 5, MaxExpire: 2}), 2, 2},
		{"the configuration was tightened since", own(Limits{MaxExpire: 20}), 1, 10},
		{"raised", granted(Limits{MaxExpire: 20}), 1, 20},
		{"life", own(Limits{DefaultExpire: 4}), 4, 10},
		{"life of an older configuration", own(Limits{DefaultExpire: 40}), 10, 10},
		{"below a raised one", &Namespace{Limits: Limits{MaxExpire: 15}, Granted: Limits{MaxExpire: 20}}, 1, 15},
	} {
		if life, longest := tc.n.ExpireHours(1, 10); life != tc.life || longest != tc.longest {
			t.Errorf("%s: %g %g", tc.what, life, longest)
		}
		l := tc.n.InForce(Limits{DefaultExpire: 1, MaxExpire: 10})
		if float64(l.DefaultExpire) != tc.life || float64(l.MaxExpire) != tc.longest {
			t.Errorf("%s: in force %+v", tc.what, l)
		}
	}
	if life, longest := own(Limits{MaxExpire: 1}).ExpireHours(0.01, 0.02); life != 0.01 || longest != 0.02 {
		t.Errorf("fractions of an hour: %g %g", life, longest)
	}
	const day = 24 * time.Hour
	for want, n := range map[time.Duration]*Namespace{
		10 * day: nil, time.Hour: own(Limits{ClientExpire: 1}), 20 * day: granted(Limits{ClientExpire: 480}),
		3 * time.Hour: {Limits: Limits{ClientExpire: 3}, Granted: Limits{ClientExpire: 480}},
	} {
		if got := n.ForgetAfter(10 * day); got != want {
			t.Errorf("forgotten after %v, want %v", got, want)
		}
	}
	if got := own(Limits{ClientExpire: 1000}).ForgetAfter(10 * day); got != 10*day {
		t.Errorf("forgotten after %v", got)
	}
	var unknown *Namespace
	if got := unknown.InForce(configuredForTests); got != configuredForTests {
		t.Errorf("of an unknown namespace: %+v", got)
	}
	ceilings := (&Namespace{Limits: Limits{Connections: 5}, Granted: Limits{InboxMax: 500}}).Ceilings(configuredForTests)
	if ceilings.Connections != 100 || ceilings.InboxMax != 500 || ceilings.PushBytes != 0 || ceilings.DefaultExpire != 10 {
		t.Errorf("ceilings %+v", ceilings)
	}
}
