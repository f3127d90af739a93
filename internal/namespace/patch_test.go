package namespace

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/lightpush/lightpush/internal/input"
	"github.com/lightpush/lightpush/internal/name"
)

var rules = name.DefaultRules()

func fields(t *testing.T, body string) input.Fields {
	t.Helper()
	f, err := input.FromJSON([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestParseKey(t *testing.T) {
	for key, want := range map[string]string{
		"/demo": "/demo", "demo": "/demo", "/": "/", "/a/b": "/a/b", "a/b": "/a/b", "123": "/123", "constructor": "/constructor",
		strings.Repeat("a", 49): "/" + strings.Repeat("a", 49),
	} {
		if got, err := ParseKey(rules, key); err != nil || got != want {
			t.Errorf("%s = %s, %v", key, got, err)
		}
	}
	if _, err := ParseKey(rules, ""); !errors.Is(err, ErrKeyMissing) {
		t.Errorf("empty: %v", err)
	}
	for _, key := range []string{"//", "//demo", "a b", "/é", "/a\n", strings.Repeat("a", 50), "/" + strings.Repeat("a", 50)} {
		if _, err := ParseKey(rules, key); !errors.Is(err, ErrKeyInvalid) {
			t.Errorf("%q: %v", key, err)
		}
	}
}

func TestParsePatch(t *testing.T) {
	for _, tc := range []struct {
		body, own string
		want      Patch
	}{
		{`{"key":"demo"}`, "", Patch{Key: "/demo", ClientIP: ptr("")}},
		{`{"key":"/x","client_ip":{}}`, "", Patch{Key: "/x", ClientIP: ptr("")}},
		{`{"key":"/x"}`, "/demo", Patch{Key: "/demo", MustExist: true}},
		{`{"key":{}}`, "/demo", Patch{Key: "/demo", MustExist: true}},
		{
			`{"name":"n","connect_callback":"https://a.example/x?y=1","disconnect_callback":"","callback_auth":"t","auth_passwd":"p","client_ip":"::1","offline":"on","more":1}`, "/demo",
			Patch{
				Key: "/demo", MustExist: true, Name: ptr("n"), ConnectCallback: ptr("https://a.example/x?y=1"), DisconnectCallback: ptr(""),
				CallbackAuth: ptr("t"), Password: ptr("p"), ClientIP: ptr("::1"), Offline: ptr(true),
			},
		},
		{
			`{"name":null,"connect_callback":null,"callback_auth":null,"auth_passwd":null,"client_ip":null,"offline":null,"apns_list":null}`, "/demo",
			Patch{Key: "/demo", MustExist: true, Name: ptr(""), ConnectCallback: ptr(""), CallbackAuth: ptr(""), ClientIP: ptr("")},
		},
		{`{"auth_passwd":"******","callback_auth":"******"}`, "/demo", Patch{Key: "/demo", MustExist: true}},
		{`{"offline":false,"name":5}`, "/demo", Patch{Key: "/demo", MustExist: true, Name: ptr("5"), Offline: ptr(false)}},
		{`{"apns_list":[]}`, "/demo", Patch{Key: "/demo", MustExist: true}},
		{`{"apns_list":{"name":"a"}}`, "/demo", Patch{Key: "/demo", MustExist: true}},
		{
			`{"apns_list":[{"name":"a","apns_env":"production","token_key":"******","apns_expiration":3600,"junk":1},{"name":"b","del":true}]}`, "/demo",
			Patch{Key: "/demo", MustExist: true, APNs: []APNsPatch{
				{Name: "a", Fields: map[string]string{"apns_env": "production", "apns_expiration": "3600"}},
				{Name: "b", Delete: true, Fields: map[string]string{}},
			}},
		},
	} {
		got, err := ParsePatch(rules, fields(t, tc.body), tc.own)
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s\n got %s, %v\nwant %s", tc.body, show(got), err, show(tc.want))
		}
	}
}

func show(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

func TestParsePatchRefuses(t *testing.T) {
	for body, want := range map[string]string{
		`{"name":{}}`: "name must be a string",
		`{"name":"` + strings.Repeat("x", 201) + `"}`:                    "name must be at most 200 bytes",
		`{"auth_passwd":""}`:                                             "auth_passwd can not be empty",
		`{"connect_callback":"ftp://a","disconnect_callback":"ftp://b"}`: "connect_callback must be an absolute http or https URL",
		`{"disconnect_callback":"https://user:secret@a"}`:                "disconnect_callback must be an absolute http or https URL",
		`{"disconnect_callback":"https://a#b"}`:                          "disconnect_callback must be an absolute http or https URL",
		`{"disconnect_callback":"//a"}`:                                  "disconnect_callback must be an absolute http or https URL",
		`{"callback_auth":"a\nb"}`:                                       "callback_auth must not contain line breaks",
		`{"callback_auth":"a\u0000b"}`:                                   "callback_auth must not contain line breaks",
		`{"offline":2}`:                                                  "offline must be on or off",
		`{"apns_list":["a"]}`:                                            "apns_list[0] must be an object",
		`{"apns_list":[null]}`:                                           "apns_list[0] must be an object",
		`{"apns_list":[{"name":null}]}`:                                  "apns_list[0].name can not be empty",
		`{"apns_list":[{"name":"a","apns_topic":[]}]}`:                   "apns_list[0].apns_topic must be a string",
	} {
		if _, err := ParsePatch(rules, fields(t, body), "/demo"); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
}

func TestApplyCreates(t *testing.T) {
	for _, tc := range []struct {
		patch Patch
		err   error
	}{
		{Patch{Key: "/new", Password: ptr("p"), Offline: ptr(true)}, nil},
		{Patch{Key: "/"}, nil},
		{Patch{Key: "/new"}, ErrNoPassword},
		{Patch{Key: "/new", Password: ptr("p"), MustExist: true}, ErrNotFound},
	} {
		n, err := tc.patch.Apply(nil, 1000)
		if !errors.Is(err, tc.err) {
			t.Errorf("%s: %v, want %v", show(tc.patch), err, tc.err)
		}
		if err == nil && (n.Key != tc.patch.Key || n.Offline || n.UpdateDate != 1000 || n.Name != nil || n.APNs != nil) {
			t.Errorf("created %s", show(n))
		}
	}
}

func TestApplyChangesACopy(t *testing.T) {
	base := &Namespace{
		Key: "/demo", Name: ptr("old"), PasswdHash: "h", UpdateDate: 5000, ClientIP: "ip", CallbackAuth: ptr("auth"),
		APNs: []APNsProfile{{Name: "a", Topic: "t"}, {Name: "b"}, {Name: "c"}},
	}
	before := show(base)
	n, err := Patch{
		Key: "/demo", Name: ptr(""), Offline: ptr(true),
		APNs: []APNsPatch{
			{Name: "a", Fields: map[string]string{"apns_env": "dev"}},
			{Name: "b", Delete: true},
			{Name: "d", Fields: map[string]string{"token_keyId": "K"}},
			{Name: "nobody", Delete: true},
		},
	}.Apply(base, 1000)
	if err != nil {
		t.Fatal(err)
	}
	want := &Namespace{
		Key: "/demo", Name: ptr(""), PasswdHash: "h", UpdateDate: 5001, ClientIP: "ip", CallbackAuth: ptr("auth"), Offline: true,
		APNs: []APNsProfile{{Name: "a", Topic: "t", Env: "dev"}, {Name: "c"}, {Name: "d", TokenKeyID: "K"}},
	}
	if !reflect.DeepEqual(n, want) {
		t.Errorf("got %s\nwant %s", show(n), show(want))
	}
	if show(base) != before {
		t.Errorf("the base became %s", show(base))
	}
	same, err := Patch{Key: "/demo"}.Apply(n, 9000)
	if n.UpdateDate = 9000; err != nil || !reflect.DeepEqual(same, n) {
		t.Errorf("an empty patch made %s", show(same))
	}
}

func TestEveryProfileFieldCanBeSet(t *testing.T) {
	p := pems()
	value := map[string]string{
		"apns_dev_cert": p.cert, "apns_dev_key": p.certKey, "apns_production_cert": p.cert, "apns_production_key": p.certKey,
		"token_key": p.p8, "apns_expiration": "3600", "apns_host": "https://gateway:1",
	}
	item, stored := map[string]string{"name": "a"}, map[string]int{}
	tags := reflect.TypeFor[APNsProfile]()
	for i := range tags.NumField() {
		tag, _, _ := strings.Cut(tags.Field(i).Tag.Get("json"), ",")
		stored[tag] = i
		if item[tag] == "" {
			item[tag] = "value"
		}
		if v := value[tag]; v != "" {
			item[tag] = v
		}
	}
	patch, err := ParsePatch(rules, fields(t, `{"key":"/demo","apns_list":[`+show(item)+`]}`), "")
	if err != nil {
		t.Fatal(err)
	}
	n, err := patch.Apply(&Namespace{Key: "/demo"}, patchNow)
	if err != nil {
		t.Fatal(err)
	}
	for tag, i := range stored {
		if got := reflect.ValueOf(n.APNs[0]).Field(i).String(); got != item[tag] {
			t.Errorf("%s: %.40q", tag, got)
		}
	}
}

// Saves of fifty profiles each must not add up without end.
func TestProfilesAreLimitedOverSaves(t *testing.T) {
	n := &Namespace{Key: "/demo"}
	add := func(from, to int) (p Patch) {
		for i := from; i < to; i++ {
			p.APNs = append(p.APNs, APNsPatch{Name: fmt.Sprint(i)})
		}
		return p
	}
	n, err := add(0, profilesMax).Apply(n, 1)
	if err != nil {
		t.Fatal(err)
	}
	var field *input.FieldError
	if _, err := add(profilesMax, profilesMax+1).Apply(n, 2); !errors.As(err, &field) {
		t.Errorf("one more: %v", err)
	}
}

const noLimits = `"max_connections":0,"max_connections_per_user":0,"max_events_per_second":0,"max_rooms_per_client":0,"max_push_bytes":0,"max_pushes_per_second":0,"default_expire":0,"max_expire":0,"inbox_max":0,"history_max":0,"client_expire":0`

func TestPublicHidesSecrets(t *testing.T) {
	pem := "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"
	both := pem + "-----BEGIN PRIVATE KEY-----\nsecret\n"
	n := &Namespace{
		Key: "/demo", Name: ptr("n"), PasswdHash: "secret", CallbackAuth: ptr("secret"), UpdateDate: 12, Offline: true,
		APNs: []APNsProfile{
			{Name: "a", DevCert: pem, DevKey: "secret", ProductionCert: both, ProductionKey: "secret", TokenKey: "secret", TokenKeyID: "K", TokenTeamID: "T"},
			{Name: "b"},
		},
	}
	before := show(n)
	got := show(n.Public())
	if strings.Contains(got, `"secret`) || strings.Contains(got, `\nsecret`) || strings.Count(got, SecretMark) != 6 || !strings.Contains(got, `"token_keyId":"K"`) {
		t.Errorf("got %s", got)
	}
	if show(n) != before {
		t.Error("the namespace itself was changed")
	}
	for n, want := range map[*Namespace]string{
		{Key: "/a"}: `{"key":"/a","name":null,"connect_callback":null,"disconnect_callback":null,"auth_passwd":null,"apns_list":null,"update_date":"0","client_ip":"","callback_auth":null,"offline":"off","client_push":"on","join_foreign_user_room":"","callback_secret":null,"viewer_passwd":null,"auth":"open","auth_key":null,"auth_key_old":null,"auth_jwks":"","auth_audience":"",` + noLimits + `}`,
		{Key: "/a", APNs: []APNsProfile{}, CallbackAuth: ptr("")}: `{"key":"/a","name":null,"connect_callback":null,"disconnect_callback":null,"auth_passwd":null,"apns_list":[],"update_date":"0","client_ip":"","callback_auth":null,"offline":"off","client_push":"on","join_foreign_user_room":"","callback_secret":null,"viewer_passwd":null,"auth":"open","auth_key":null,"auth_key_old":null,"auth_jwks":"","auth_audience":"",` + noLimits + `}`,
	} {
		if got := show(n.Public()); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// A client that reads the record and saves all of it changes nothing.
func TestPublicSavedBackChangesNothing(t *testing.T) {
	for _, n := range []*Namespace{
		{Key: "/demo", Name: ptr("n"), PasswdHash: "h", CallbackAuth: ptr("t"), ConnectCallback: ptr("https://a.example"), ClientIP: "1.2.3.4",
			APNs: []APNsProfile{{Name: "a", DevKey: "k", DevCert: "c", ProductionCert: "PRIVATE KEY", TokenKey: "t", Env: "dev"}}},
		{Key: "/", Offline: true},
	} {
		patch, err := ParsePatch(rules, fields(t, show(n.Public())), n.Key)
		if err != nil {
			t.Fatal(err)
		}
		saved, err := patch.Apply(n, 7)
		if err != nil || show(saved.Public().APNs) != show(n.Public().APNs) || saved.PasswdHash != n.PasswdHash {
			t.Errorf("%s became %s, %v", show(n), show(saved), err)
		}
		if !reflect.DeepEqual(saved.APNs, n.APNs) || !sameText(saved.CallbackAuth, n.CallbackAuth) || saved.Offline != n.Offline {
			t.Errorf("%s became %s", show(n), show(saved))
		}
	}
}

// sameText takes an unset text for an empty one.
func sameText(a, b *string) bool {
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	return text(a) == text(b)
}

func TestEncodeDecode(t *testing.T) {
	n := &Namespace{Key: "/demo", Name: ptr("名"), PasswdHash: "h", APNs: []APNsProfile{{Name: "a", TokenKey: "t"}}, UpdateDate: 5, Offline: true}
	data, err := n.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(data)
	if err != nil || !reflect.DeepEqual(got, n) {
		t.Errorf("got %s, %v", show(got), err)
	}
	if _, err := Decode([]byte("{")); err == nil {
		t.Error("decoded garbage")
	}
}

func FuzzParsePatch(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"key":"/demo"}`, `{"key":"x","name":null,"offline":"on"}`, `{"auth_passwd":"******"}`,
		`{"apns_list":[{"name":"a","del":true},{"name":"b","token_key":"k"}]}`, `{"apns_list":{"0":{}}}`, `{"connect_callback":"http://a"}`,
	} {
		f.Add(seed, "")
		f.Add(seed, "/demo")
	}
	f.Fuzz(func(t *testing.T, body, own string) {
		in, err := input.FromJSON([]byte(body))
		if err != nil {
			return
		}
		p, err := ParsePatch(rules, in, own)
		if err != nil {
			return
		}
		if !rules.Namespace(p.Key) || (p.Password != nil && *p.Password == "") {
			t.Errorf("accepted %s", show(p))
		}
		p.Password = nil // hashing is slow
		n, err := p.Apply(&Namespace{Key: p.Key}, 1)
		if err != nil {
			return
		}
		data, err := n.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Decode(data); err != nil || show(again) != show(n) {
			t.Errorf("%s reads back as %s, %v", show(n), show(again), err)
		}
	})
}
