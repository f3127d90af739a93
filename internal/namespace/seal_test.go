package namespace

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// mirror is a Sealer that anybody can read: it writes the place in front.
type mirror struct{}

var errOtherPlace = errors.New("sealed for another place")

func (mirror) Seal(text, place string) string {
	if text == "" {
		return ""
	}
	return "sealed(" + place + ")" + text
}

func (mirror) Open(text, place string) (string, error) {
	if !strings.HasPrefix(text, "sealed(") {
		return text, nil
	}
	plain, ok := strings.CutPrefix(text, "sealed("+place+")")
	if !ok {
		return "", errOtherPlace
	}
	return plain, nil
}

func TestEverySecretIsSealed(t *testing.T) {
	n := &Namespace{Key: "/demo", Name: ptr("n"), PasswdHash: "h", CallbackAuth: ptr("secret"), CallbackSecret: ptr("secret"), APNs: []APNsProfile{{
		Name: "a", Env: "dev", Topic: "t", DevCert: "secret", DevKey: "secret", ProductionCert: "secret", ProductionKey: "secret",
		TokenKey: "secret", TokenKeyID: "K", TokenTeamID: "T", Host: "https://h",
	}, {Name: "b"}}}
	before := show(n)
	sealed := n.Sealed(mirror{})
	if show(n) != before {
		t.Errorf("the namespace itself became %s", show(n))
	}
	text := show(sealed)
	if strings.Contains(text, `"secret"`) || strings.Count(text, "sealed(/demo ") != 7 || !strings.Contains(text, `"token_keyId":"K"`) {
		t.Errorf("sealed %s", text)
	}
	// Every secret the API masks is one the store encrypts.
	for _, masked := range sealed.APNs[0].secrets() {
		if !strings.HasPrefix(*masked, "sealed(") {
			t.Errorf("stored in the clear: %s", *masked)
		}
	}
	if problems := sealed.Unseal(mirror{}); problems != nil || show(sealed) != before {
		t.Errorf("unsealed %s, %v", show(sealed), problems)
	}
}

// From before there was a key: read as it is, sealed with the next save.
func TestPlainSecretsAreRead(t *testing.T) {
	n := &Namespace{Key: "/demo", CallbackAuth: ptr("plain"), APNs: []APNsProfile{{Name: "a", TokenKey: "plain"}}}
	if problems := n.Unseal(mirror{}); problems != nil || *n.CallbackAuth != "plain" || n.APNs[0].TokenKey != "plain" {
		t.Errorf("read %s, %v", show(n), problems)
	}
}

// A secret that cannot be opened is reported by its place and kept.
func TestUnreadableSecretsAreKept(t *testing.T) {
	const lost = "sealed(/other callback_auth)x"
	n := &Namespace{Key: "/demo", CallbackAuth: ptr(lost), APNs: []APNsProfile{{Name: "a", TokenKey: mirror{}.Seal("k", "/demo apns_list a token_key")}}}
	problems := n.Unseal(mirror{})
	if len(problems) != 1 || !errors.Is(problems[0], errOtherPlace) || !strings.HasPrefix(problems[0].Error(), "/demo callback_auth: ") {
		t.Errorf("problems %v", problems)
	}
	if *n.CallbackAuth != lost || n.APNs[0].TokenKey != "k" {
		t.Errorf("read %s", show(n))
	}
}

func TestClonesDoNotShareSecrets(t *testing.T) {
	n := &Namespace{Key: "/demo", CallbackAuth: ptr("a")}
	c := n.Clone()
	if c.Sealed(mirror{}); !reflect.DeepEqual(n, c) {
		t.Errorf("%s, %s", show(n), show(c))
	}
}
