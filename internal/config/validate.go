package config

import (
	"fmt"
	"slices"
	"strconv"
)

// Validate judges a Config that did not come from Load: the bounds of every key and the combinations. It is pure; the
// error, if any, is an *Error that lists all that is wrong.
func (c Config) Validate() error {
	l := loader{cfg: c, refused: map[string]bool{}}
	for i := range keys {
		key := &keys[i]
		if faults := key.value.check(&l.cfg); faults != nil {
			l.refused[key.Name] = true
			l.reportFaults(key, faults, Source{})
		}
	}
	l.checkCombinations()
	return l.problems.orNil()
}

// reportFaults reports the faults of one key.
func (l *loader) reportFaults(key *Key, faults []fault, src Source) {
	for _, f := range faults {
		at, path := src, key.Name
		if f.item >= 0 {
			path += "[" + strconv.Itoa(f.item) + "]"
		}
		if f.line > 0 {
			at.Line = f.line
		}
		l.report(path, at, f.text(), nil)
	}
}

// combination is a rule about several keys. It is not looked at when one of them was refused by itself.
type combination struct {
	keys []string // the first is the one the problem is reported for
	rule func(c *Config) string
}

// combinations are the rules that no key can hold alone; rule returns what is wrong, or "".
var combinations = []combination{
	{[]string{"push_message_expire", "push_message_max_expire"}, func(c *Config) string {
		if c.PushMessageExpire > c.PushMessageMaxExpire {
			return fmt.Sprintf("got %s; want at most push_message_max_expire, which is %s hours",
				hours.write(c.PushMessageExpire), hours.write(c.PushMessageMaxExpire))
		}
		return ""
	}},
	{[]string{"viewer_name", "admin_name"}, func(c *Config) string {
		if c.ViewerName != "" && c.ViewerName == c.AdminName {
			return "it is the name of the administrator"
		}
		return ""
	}},
	{[]string{"viewer_passwd", "viewer_name"}, func(c *Config) string {
		if c.ViewerName != "" && c.ViewerPasswd.IsEmpty() {
			return "want a password for viewer_name"
		}
		return ""
	}},
	{[]string{"redis_timeout", "node_lease"}, func(c *Config) string {
		if c.RedisTimeout > c.NodeLease {
			return fmt.Sprintf("got %s; want at most node_lease, which is %s milliseconds",
				milliseconds.write(c.RedisTimeout), milliseconds.write(c.NodeLease))
		}
		return ""
	}},
	{[]string{"send_buffer", "max_payload"}, func(c *Config) string {
		if c.SendBuffer < c.MaxPayload {
			return fmt.Sprintf("got %d; want at least max_payload, which is %d bytes", c.SendBuffer, c.MaxPayload)
		}
		return ""
	}},
	{[]string{"send_buffer", "rest_body_limit"}, func(c *Config) string {
		if c.SendBuffer < c.RestBodyLimit {
			return fmt.Sprintf("got %d; want at least rest_body_limit, which is %d bytes", c.SendBuffer, c.RestBodyLimit)
		}
		return ""
	}},
	{[]string{"sentinels", "redis_address"}, func(c *Config) string {
		if len(c.Sentinels) > 0 && c.RedisAddress.Cluster {
			return "set together with a list in redis_address; want sentinels or a cluster, not both"
		}
		return ""
	}},
	{[]string{"sentinels_name", "sentinels"}, func(c *Config) string {
		if len(c.Sentinels) > 0 && c.SentinelsName == "" {
			return "got nothing; want the name of the master, because sentinels are set"
		}
		return ""
	}},
	{[]string{"redis_db", "redis_address"}, func(c *Config) string {
		if c.RedisAddress.Cluster && c.RedisDB != 0 {
			return fmt.Sprintf("got %d; want 0, because redis_address is a cluster", c.RedisDB)
		}
		return ""
	}},
	{[]string{"redis_tls_insecure", "redis_tls"}, func(c *Config) string {
		if c.RedisTLSInsecure && !c.RedisTLS {
			return "got true; want redis_tls: true as well, or the connection is not encrypted at all"
		}
		return ""
	}},
}

func (l *loader) checkCombinations() {
	for _, comb := range slices.Concat(combinations, secretCombinations, clusterCombinations, tlsCombinations) {
		if l.anyRefused(comb.keys) {
			continue
		}
		if text := comb.rule(&l.cfg); text != "" {
			l.report(comb.keys[0], l.sources[comb.keys[0]], text, nil)
		}
	}
}

func (l *loader) anyRefused(names []string) bool {
	for _, name := range names {
		if l.refused[name] {
			return true
		}
	}
	return false
}
