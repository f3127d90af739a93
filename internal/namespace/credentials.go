package namespace

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/lightpush/lightpush/internal/input"
)

// ErrNoCredential says that a profile has nothing to authenticate with.
var ErrNoCredential = errors.New("profile has neither token_key nor a certificate for its apns_env")

// Credential is what a profile authenticates with at APNs: a key for provider
// tokens or, without one, a client certificate. Never log it.
type Credential struct {
	TokenKey    *ecdsa.PrivateKey // nil with a certificate
	KeyID       string
	TeamID      string
	Certificate *tls.Certificate // nil with a token key
}

// Production reports whether the profile is for Apple's production
// environment; anything but that word is the sandbox.
func (p *APNsProfile) Production() bool { return p.Env == "production" }

// String is the name only: what is printed must not hold keys.
func (p APNsProfile) String() string { return "APNs profile " + p.Name }

// GoString is String.
func (p APNsProfile) GoString() string { return p.String() }

// Credential reads the profile's own. PEM text is all it accepts, never a
// path (B60). Errors: ErrNoCredential, *input.FieldError with the field's JSON
// name; neither holds any of the secret. Dates are not looked at.
func (p *APNsProfile) Credential() (Credential, error) {
	if p.TokenKey != "" {
		return p.token()
	}
	cert, err := p.certificate(p.Production())
	if err != nil {
		return Credential{}, err
	}
	if cert == nil {
		return Credential{}, ErrNoCredential
	}
	return Credential{Certificate: cert}, nil
}

var tokenID = regexp.MustCompile(`^[A-Za-z0-9]{1,64}$`)

const wantID = "must be the identifier Apple shows, letters and digits only"

func (p *APNsProfile) token() (Credential, error) {
	key, problem := parseTokenKey(p.TokenKey)
	switch {
	case problem != "":
		return Credential{}, &input.FieldError{Field: "token_key", Problem: problem}
	case p.TokenKeyID == "":
		return Credential{}, &input.FieldError{Field: "token_keyId", Problem: "can not be empty with token_key: it is the id of that key"}
	case !tokenID.MatchString(p.TokenKeyID):
		return Credential{}, &input.FieldError{Field: "token_keyId", Problem: wantID}
	case p.TokenTeamID == "":
		return Credential{}, &input.FieldError{Field: "token_teamId", Problem: "can not be empty with token_key: it is the team the key belongs to"}
	case !tokenID.MatchString(p.TokenTeamID):
		return Credential{}, &input.FieldError{Field: "token_teamId", Problem: wantID}
	}
	return Credential{TokenKey: key, KeyID: p.TokenKeyID, TeamID: p.TokenTeamID}, nil
}

// What is wrong with PEM texts, in words that help whoever pastes them.
const (
	wantTokenKey  = "must be the PEM text of a .p8 file (-----BEGIN PRIVATE KEY-----), not a file name"
	wantP256      = "must be an EC key on the curve P-256, as Apple issues them"
	wantCert      = "must be the PEM text of a certificate (-----BEGIN CERTIFICATE-----), not a file name"
	wantKey       = "must be the PEM text of a private key (-----BEGIN PRIVATE KEY-----), not a file name"
	wantPlainKey  = "must not be encrypted with a passphrase"
	wantKeyToCert = "does not belong to the certificate"
)

// parseTokenKey reads a .p8 text; problem is "" when it is one.
func parseTokenKey(text string) (key *ecdsa.PrivateKey, problem string) {
	block := firstBlock(text, "PRIVATE KEY")
	if block == nil {
		return nil, wantTokenKey
	}
	if encrypted(block) {
		return nil, wantPlainKey
	}
	var parsed any
	var err error
	if block.Type == "EC PRIVATE KEY" {
		parsed, err = x509.ParseECPrivateKey(block.Bytes)
	} else {
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		if block.Type == "RSA PRIVATE KEY" {
			return nil, wantP256
		}
		return nil, wantTokenKey
	}
	ec, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || ec.Curve != elliptic.P256() {
		return nil, wantP256
	}
	return ec, ""
}

// certificate reads the pair of one environment; nil when neither is given.
func (p *APNsProfile) certificate(production bool) (*tls.Certificate, error) {
	certField, cert, keyField, key := "apns_dev_cert", p.DevCert, "apns_dev_key", p.DevKey
	if production {
		certField, cert, keyField, key = "apns_production_cert", p.ProductionCert, "apns_production_key", p.ProductionKey
	}
	if cert == "" && key == "" {
		return nil, nil
	}
	certBlock := firstBlock(cert, "CERTIFICATE")
	if certBlock == nil {
		return nil, &input.FieldError{Field: certField, Problem: wantCert}
	}
	if key == "" { // the PEM file of a certificate often carries its key along
		keyField, key = certField, cert
		if firstBlock(cert, "PRIVATE KEY") == nil {
			return nil, &input.FieldError{Field: strings.TrimSuffix(certField, "cert") + "key", Problem: wantKey}
		}
	}
	keyBlock := firstBlock(key, "PRIVATE KEY")
	if keyBlock == nil {
		return nil, &input.FieldError{Field: keyField, Problem: wantKey}
	}
	if encrypted(keyBlock) {
		return nil, &input.FieldError{Field: keyField, Problem: wantPlainKey}
	}
	leaf, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, &input.FieldError{Field: certField, Problem: wantCert}
	}
	pair, err := tls.X509KeyPair([]byte(cert), pem.EncodeToMemory(keyBlock))
	if err != nil {
		problem := wantKey
		if strings.Contains(err.Error(), "match") {
			problem = wantKeyToCert
		}
		return nil, &input.FieldError{Field: keyField, Problem: problem}
	}
	pair.Leaf = leaf
	return &pair, nil
}

// firstBlock finds the first PEM block whose type ends so, nil for none.
func firstBlock(text, suffix string) *pem.Block {
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil
		}
		if strings.HasSuffix(block.Type, suffix) {
			return block
		}
	}
}

func encrypted(b *pem.Block) bool {
	return strings.Contains(b.Type, "ENCRYPTED") || strings.Contains(b.Headers["Proc-Type"], "ENCRYPTED")
}

var topic = regexp.MustCompile(`^[\x21-\x7e]{0,255}$`)

// check judges the fields of p that differ from before. What is stored
// already is not judged again: a record that is read and saved back must not
// fail over a certificate that has expired meanwhile.
func (p *APNsProfile) check(before APNsProfile, tenant bool, now time.Time) error {
	changed := func(names ...string) bool {
		for _, name := range names {
			if *p.field(name) != *before.field(name) {
				return true
			}
		}
		return false
	}
	if changed("apns_expiration") && p.Expiration != "" {
		if n, err := strconv.ParseInt(p.Expiration, 10, 64); err != nil || n > 1e11 {
			return &input.FieldError{Field: "apns_expiration", Problem: "must be a whole number of seconds"}
		}
	}
	if changed("apns_topic") && !topic.MatchString(p.Topic) {
		return &input.FieldError{Field: "apns_topic", Problem: "must be the bundle id of the app, at most 255 characters without spaces"}
	}
	if changed("apns_host") {
		if tenant {
			// Else a tenant could make this process probe the network it stands in (B60).
			return &input.FieldError{Field: "apns_host", Problem: "can only be changed by the administrator"}
		}
		if p.Host != "" && !ValidAPNsHost(p.Host) {
			return &input.FieldError{Field: "apns_host", Problem: "must be https://host or https://host:port"}
		}
	}
	if p.TokenKey != "" && changed("token_key", "token_keyId", "token_teamId") {
		if _, err := p.token(); err != nil {
			return err
		}
	}
	for production, fields := range map[bool][]string{
		false: {"apns_dev_cert", "apns_dev_key"}, true: {"apns_production_cert", "apns_production_key"},
	} {
		if !changed(fields...) {
			continue
		}
		cert, err := p.certificate(production)
		switch {
		case err != nil:
			return err
		case cert == nil:
		case now.After(cert.Leaf.NotAfter):
			return &input.FieldError{Field: fields[0], Problem: "has expired on " + cert.Leaf.NotAfter.UTC().Format(time.DateOnly)}
		case now.Before(cert.Leaf.NotBefore.Add(-24 * time.Hour)): // clocks differ
			return &input.FieldError{Field: fields[0], Problem: "is not valid before " + cert.Leaf.NotBefore.UTC().Format(time.DateOnly)}
		}
	}
	return nil
}

// ValidAPNsHost reports whether s can stand in for Apple's gateway.
func ValidAPNsHost(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= 300 && u.Scheme == "https" && u.Hostname() != "" && (u.Path == "" || u.Path == "/") &&
		u.User == nil && u.RawQuery == "" && u.Fragment == "" && !u.ForceQuery
}
