package namespace

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lightpush/lightpush/internal/input"
)

// texts are PEM texts of all kinds, made once.
type texts struct {
	p8, p8Other, sec1, p384, rsaKey, rsa1, encrypted string
	cert, certKey, combined                          string
	expired, expiredKey, early, earlyKey             string
}

var pems = sync.OnceValue(func() (p texts) {
	key := func(curve elliptic.Curve) *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			panic(err)
		}
		return k
	}
	block := func(kind string, der []byte, err error) string {
		if err != nil {
			panic(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	pkcs8 := func(k any) string {
		der, err := x509.MarshalPKCS8PrivateKey(k)
		return block("PRIVATE KEY", der, err)
	}
	issue := func(from, to time.Time) (string, string) {
		k := key(elliptic.P256())
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "push"}, NotBefore: from, NotAfter: to}
		der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
		return block("CERTIFICATE", der, err), pkcs8(k)
	}
	first := key(elliptic.P256())
	p.p8, p.p8Other, p.p384 = pkcs8(first), pkcs8(key(elliptic.P256())), pkcs8(key(elliptic.P384()))
	der, err := x509.MarshalECPrivateKey(first)
	p.sec1 = block("EC PRIVATE KEY", der, err)
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	p.rsaKey, p.rsa1 = pkcs8(r), block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(r), nil)
	p.encrypted = block("ENCRYPTED PRIVATE KEY", []byte("x"), nil)
	year := 365 * 24 * time.Hour
	at := time.UnixMilli(patchNow)
	p.cert, p.certKey = issue(at.Add(-year), at.Add(year))
	p.combined = "Bag Attributes: name\n" + p.cert + p.certKey
	p.expired, p.expiredKey = issue(at.Add(-2*year), time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC))
	p.early, p.earlyKey = issue(at.Add(year), at.Add(2*year))
	return p
})

const patchNow = 1_790_000_000_000

// save applies the fields to a namespace that has a profile already.
func save(base APNsProfile, tenant bool, f map[string]string) (*Namespace, error) {
	return Patch{Key: "/demo", MustExist: tenant, APNs: []APNsPatch{{Name: "nobody", Delete: true}, {Name: base.Name, Fields: f}}}.
		Apply(&Namespace{Key: "/demo", APNs: []APNsProfile{base}}, patchNow)
}

func TestCredentialsAreChecked(t *testing.T) {
	p := pems()
	token := func(key string) map[string]string {
		return map[string]string{"token_key": key, "token_keyId": "ABC123DEFG", "token_teamId": "DEF123GHIJ"}
	}
	dev := func(cert, key string) map[string]string {
		return map[string]string{"apns_dev_cert": cert, "apns_dev_key": key}
	}
	for i, tc := range []struct {
		fields map[string]string
		want   string
	}{
		{token(p.p8), ""},
		{token(strings.ReplaceAll(p.p8, "\n", "\r\n")), ""},
		{token("\n" + p.sec1), ""},
		{token("AuthKey_ABC123DEFG.p8"), "token_key " + wantTokenKey},
		{token("/etc/passwd"), "token_key " + wantTokenKey},
		{token(p.cert), "token_key " + wantTokenKey},
		{token(strings.Replace(p.p8, "M", "N", 1)), "token_key " + wantTokenKey},
		{token(p.p384), "token_key " + wantP256},
		{token(p.rsaKey), "token_key " + wantP256},
		{token(p.rsa1), "token_key " + wantP256},
		{token(p.encrypted), "token_key " + wantPlainKey},
		{map[string]string{"token_key": p.p8, "token_teamId": "T"}, "token_keyId can not be empty with token_key: it is the id of that key"},
		{map[string]string{"token_key": p.p8, "token_keyId": "K"}, "token_teamId can not be empty with token_key: it is the team the key belongs to"},
		{map[string]string{"token_key": p.p8, "token_keyId": "K/", "token_teamId": "T"}, "token_keyId " + wantID},
		{map[string]string{"token_key": p.p8, "token_keyId": "K", "token_teamId": strings.Repeat("x", 65)}, "token_teamId " + wantID},
		{map[string]string{"token_keyId": "K"}, ""}, // the key may follow
		{dev(p.cert, p.certKey), ""},
		{dev(p.combined, ""), ""},
		{map[string]string{"apns_production_cert": p.cert, "apns_production_key": p.certKey, "apns_env": "production"}, ""},
		{dev("cert.pem", "key.pem"), "apns_dev_cert " + wantCert},
		{dev("", p.certKey), "apns_dev_cert " + wantCert},
		{dev(p.cert, ""), "apns_dev_key " + wantKey},
		{dev(p.cert, "key.pem"), "apns_dev_key " + wantKey},
		{dev(p.cert, p.p8), "apns_dev_key " + wantKeyToCert},
		{dev(p.cert, p.rsaKey), "apns_dev_key " + wantKeyToCert},
		{dev(p.cert, p.encrypted), "apns_dev_key " + wantPlainKey},
		{dev(p.p8, p.p8), "apns_dev_cert " + wantCert},
		{dev(p.expired, p.expiredKey), "apns_dev_cert has expired on 2025-06-01"},
		{dev(p.early, p.earlyKey), "apns_dev_cert is not valid before 2027"},
		{map[string]string{"apns_production_cert": p.cert, "apns_production_key": p.p8}, "apns_production_key " + wantKeyToCert},
		{map[string]string{"apns_topic": "com.example.app"}, ""},
		{map[string]string{"apns_topic": "com example"}, "apns_topic must be the bundle id of the app"},
		{map[string]string{"apns_topic": "a\r\nb: c"}, "apns_topic must be the bundle id of the app"},
		{map[string]string{"apns_expiration": "3600"}, ""},
		{map[string]string{"apns_expiration": "-1"}, ""},
		{map[string]string{"apns_expiration": "an hour"}, "apns_expiration must be a whole number of seconds"},
		{map[string]string{"apns_expiration": "1e99"}, "apns_expiration must be a whole number of seconds"},
		{map[string]string{"apns_host": "https://127.0.0.1:8443"}, ""},
		{map[string]string{"apns_host": "https://push.example.com/"}, ""},
		{map[string]string{"apns_host": "http://127.0.0.1"}, "apns_host must be https://host or https://host:port"},
		{map[string]string{"apns_host": "https://a/path"}, "apns_host must be https://host or https://host:port"},
		{map[string]string{"apns_host": "https://user@a"}, "apns_host must be https://host or https://host:port"},
	} {
		n, err := save(APNsProfile{Name: "a"}, false, tc.fields)
		if tc.want == "" {
			if err != nil {
				t.Errorf("%d: %v", i, err)
				continue
			}
			for field, value := range tc.fields {
				if *n.APNs[0].field(field) != value {
					t.Errorf("%d: %s is not saved", i, field)
				}
			}
			continue
		}
		var field *input.FieldError
		if !errors.As(err, &field) || !strings.HasPrefix(err.Error(), "apns_list[1]."+tc.want) {
			t.Errorf("%d: %v, want %s", i, err, tc.want)
		}
		if err != nil && (strings.Contains(err.Error(), "MIG") || strings.Contains(err.Error(), "passwd")) {
			t.Errorf("%d: a secret in %v", i, err)
		}
	}
}

// What is stored already is not judged again, and a change of one half looks
// at the other.
func TestOnlyChangesAreChecked(t *testing.T) {
	p := pems()
	stored := APNsProfile{
		Name: "a", DevCert: p.expired, DevKey: p.expiredKey, TokenKey: p.p8, TokenKeyID: "K", TokenTeamID: "T", Host: "https://inside:1",
		ProductionCert: "from/before.pem", Expiration: "never",
	}
	if _, err := save(stored, true, map[string]string{
		"apns_topic": "x", "apns_dev_cert": p.expired, "apns_host": "https://inside:1", "apns_expiration": "never",
	}); err != nil {
		t.Errorf("saved back: %v", err)
	}
	for field, value := range map[string]string{"token_teamId": "", "apns_dev_key": p.certKey, "apns_production_key": p.certKey, "token_key": p.p384} {
		if _, err := save(stored, false, map[string]string{field: value}); err == nil {
			t.Errorf("%s was changed", field)
		}
	}
	if _, err := save(stored, false, map[string]string{"token_key": p.p8Other}); err != nil {
		t.Errorf("another key: %v", err)
	}
	if _, err := save(stored, false, map[string]string{"token_key": "", "token_keyId": ""}); err != nil {
		t.Errorf("no key any more: %v", err)
	}
}

// A tenant must not be able to send this process to addresses of its choice.
func TestOnlyTheAdministratorNamesGateways(t *testing.T) {
	const want = "apns_list[1].apns_host can only be changed by the administrator"
	for _, host := range []string{"https://127.0.0.1:6379", ""} {
		if _, err := save(APNsProfile{Name: "a", Host: "https://gateway"}, true, map[string]string{"apns_host": host}); err == nil || err.Error() != want {
			t.Errorf("%q: %v", host, err)
		}
	}
}

func TestCredential(t *testing.T) {
	p := pems()
	full := APNsProfile{Name: "a", TokenKey: p.p8, TokenKeyID: "K", TokenTeamID: "T", DevCert: p.cert, DevKey: p.certKey}
	if c, err := full.Credential(); err != nil || c.TokenKey == nil || c.KeyID != "K" || c.TeamID != "T" || c.Certificate != nil {
		t.Errorf("token before certificate: %v, %v", c.Certificate, err)
	}
	full.TokenKey = ""
	if c, err := full.Credential(); err != nil || c.TokenKey != nil || c.Certificate.Leaf.Subject.CommonName != "push" {
		t.Errorf("certificate: %v", err)
	}
	full.Env = "production"
	if _, err := full.Credential(); !errors.Is(err, ErrNoCredential) {
		t.Errorf("the sandbox's certificate in production: %v", err)
	}
	if got := fmt.Sprintf("%v %+v %#v", full, []APNsProfile{full}, full); strings.Contains(got, "PRIVATE") {
		t.Errorf("printed: %s", got)
	}
}

func FuzzCredential(f *testing.F) {
	p := pems()
	for _, seed := range []string{"", p.p8, p.cert, p.combined, p.encrypted, "-----BEGIN PRIVATE KEY-----\n\n-----END PRIVATE KEY-----\n"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, cert, key string) {
		for _, profile := range []APNsProfile{{TokenKey: key, TokenKeyID: "K", TokenTeamID: "T"}, {DevCert: cert, DevKey: key}} {
			c, err := profile.Credential()
			if (c.TokenKey == nil && c.Certificate == nil) != (err != nil) {
				t.Errorf("%q, %q: %v", cert, key, err)
			}
		}
	})
}
