package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
)

// Algorithms that are accepted. The kind of the key alone decides which one it
// verifies, never the header of a token: that rules out "none" and using the
// text of a public key as a shared secret.
const (
	HS256 = "HS256"
	RS256 = "RS256"
	ES256 = "ES256"
)

// Bounds of keys, in bytes and bits.
const (
	KeyTextMax    = 16 << 10
	secretMin     = 32
	rsaMin        = 2048
	rsaMax        = 8192
	rsaExponentMx = 1<<31 - 1
)

// Key verifies one algorithm.
type Key struct {
	Algorithm string
	material  any // []byte, *rsa.PublicKey or *ecdsa.PublicKey
}

// Errors of ParseKey; the texts continue "auth_key …".
var (
	errSecretShort = errors.New("must be a secret of at least 32 bytes, or the PEM text of a public key (-----BEGIN PUBLIC KEY-----)")
	errKeyPEM      = errors.New("is no PEM text of a public key or certificate that can be read")
	errKeyPrivate  = errors.New("must be the public key: keep the private key where tokens are signed")
	errKeyRSA      = errors.New("must be an RSA key of 2048 to 8192 bits")
	errKeyCurve    = errors.New("must be an EC key on the curve P-256")
	errKeyKind     = errors.New("must be an RSA or an EC key")
)

// ParseKey reads the text of a key: PEM of a public key or certificate is RSA
// (RS256) or EC (ES256), anything else is a shared secret (HS256). Whatever
// looks like PEM is never taken for a secret.
func ParseKey(text string) (Key, error) {
	if !strings.Contains(text, "-----BEGIN") {
		if len(text) < secretMin || len(text) > KeyTextMax {
			return Key{}, errSecretShort
		}
		return Key{HS256, []byte(text)}, nil
	}
	block, rest := pem.Decode([]byte(text))
	if len(text) > KeyTextMax || block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return Key{}, errKeyPEM
	}
	if strings.Contains(block.Type, "PRIVATE") {
		return Key{}, errKeyPrivate
	}
	var parsed any
	var err error
	switch block.Type {
	case "CERTIFICATE":
		var cert *x509.Certificate
		if cert, err = x509.ParseCertificate(block.Bytes); err == nil {
			parsed = cert.PublicKey
		}
	case "RSA PUBLIC KEY":
		parsed, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		parsed, err = x509.ParsePKIXPublicKey(block.Bytes)
	}
	if err != nil {
		return Key{}, errKeyPEM
	}
	return publicKey(parsed)
}

func publicKey(parsed any) (Key, error) {
	switch k := parsed.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < rsaMin || bits > rsaMax || k.E < 3 || k.E > rsaExponentMx {
			return Key{}, errKeyRSA
		}
		return Key{RS256, k}, nil
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return Key{}, errKeyCurve
		}
		return Key{ES256, k}, nil
	}
	return Key{}, errKeyKind
}
