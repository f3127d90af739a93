package config

import (
	"net/url"
	"regexp"
	"time"
)

const wantGateway = "https://host or https://host:port, or nothing"

// isGateway accepts the address of a push gateway; there is no plain HTTP/2 to APNs.
func isGateway(s string) (bool, string) {
	if s == "" {
		return true, ""
	}
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Hostname() != "" && (u.Path == "" || u.Path == "/") &&
		u.User == nil && u.RawQuery == "" && u.Fragment == "" && !u.ForceQuery, ""
}

var apnsKeys = group("APNs",
	Key{Name: "apns_host", value: textValue{func(c *Config) *string { return &c.ApnsHost }, wantGateway, isGateway},
		Doc: "Gateway in place of Apple's, for tests and private gateways; a profile's own apns_host beats it. Empty: " +
			"api.push.apple.com or api.sandbox.push.apple.com, as the profile says."},
	Key{Name: "apns_ca_file", value: textValue{func(c *Config) *string { return &c.ApnsCaFile },
		"a file, or nothing", ofLength(0, 1024)},
		Doc: "PEM file of certificate authorities to trust besides the system's when connecting to a gateway."},
	Key{Name: "apns_concurrency", value: intValue{func(c *Config) *int { return &c.ApnsConcurrency }, "notifications", 1, 20_000},
		Doc: "Notifications under way at once, of all profiles together. One profile has at most half of them, on one connection."},
	Key{Name: "apns_timeout", value: durationValue{func(c *Config) *time.Duration { return &c.ApnsTimeout },
		milliseconds, 100 * time.Millisecond, time.Minute},
		Doc: "Time for an answer of APNs, the connection included. Without one the notification is sent again on a new connection."},
)

var secretKeys = group("Secrets",
	Key{Name: "secret_key", value: secretValue{func(c *Config) *Secret { return &c.SecretKey }},
		Doc: "Key that encrypts APNs credentials and callback_auth in the store, as lightpush secret-key prints one; the same in " +
			"all processes. Empty: with the embedded store a key is made in the file secret.key of data_dir; with Redis, APNs " +
			"credentials are refused and callback_auth is stored as it is. The word none stores everything as it is."},
	Key{Name: "secret_key_old", value: secretValue{func(c *Config) *Secret { return &c.SecretKeyOld }},
		Doc: "Another key that may still open what it has encrypted. To change the key, set the new one here in all processes, then " +
			"exchange the two; what is saved from then on has the new key."},
)

// NoSecretKey is the value of secret_key that stores secrets as they are.
const NoSecretKey = "none"

// secretKeyForm is 32 bytes in base64 or hex. internal/secret reads it.
var secretKeyForm = regexp.MustCompile(`^([A-Za-z0-9+/_-]{43}=?|[0-9A-Fa-f]{64})$`)

const wantSecretKey = "not a key; want one as lightpush secret-key prints it, 32 bytes in base64"

// secretCombinations judge the keys beyond what a text can be.
var secretCombinations = []combination{
	{[]string{"secret_key"}, func(c *Config) string {
		if key := c.SecretKey.Reveal(); key != "" && key != NoSecretKey && !secretKeyForm.MatchString(key) {
			return wantSecretKey + ", or none"
		}
		return ""
	}},
	{[]string{"secret_key_old"}, func(c *Config) string {
		if key := c.SecretKeyOld.Reveal(); key != "" && !secretKeyForm.MatchString(key) {
			return wantSecretKey
		}
		return ""
	}},
}
