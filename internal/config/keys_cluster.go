package config

import "time"

// NodeAddressOff is the value of node_address that switches relaying off.
const NodeAddressOff = "off"

// isNodeAddress accepts what another node can dial.
func isNodeAddress(s string) (bool, string) {
	if s == "" || s == NodeAddressOff {
		return true, ""
	}
	return isHostPort(s)
}

var clusterKeys = group("Cluster",
	Key{Name: "node_address", value: textValue{func(c *Config) *string { return &c.NodeAddress },
		"host:port, off, or nothing", isNodeAddress},
		Doc: "Where the other connectors reach this one, to pass on requests of its clients that a balancer has sent to them. Empty: " +
			"the address this process listens on, or an address of this machine when that is every address. The word off: no " +
			"request is passed on from or to here, and the balancer must keep the requests of a connection together."},
	Key{Name: "cluster_secret", value: secretValue{func(c *Config) *Secret { return &c.ClusterSecret }},
		Doc: "What the connectors prove to each other that they belong together, 16 characters at least; the same in all of them. " +
			"Empty: one is generated at the first start and kept in the store."},
	Key{Name: "relay_max", value: intValue{func(c *Config) *int { return &c.RelayMax }, "", 1, 1_000_000},
		Doc: "Polls, posts and upgraded WebSockets that one connector passes on at the same time; more are answered 503."},
	Key{Name: "accept_rate", value: intValue{func(c *Config) *int { return &c.AcceptRate }, "connections", 0, 1_000_000},
		Doc: "New connections one connector accepts per second; more are answered 503 with Retry-After. A tenth of it may come at once. 0: any number."},
	Key{Name: "drain_wait", value: durationValue{func(c *Config) *time.Duration { return &c.DrainWait },
		milliseconds, 0, 10 * time.Minute},
		Doc: "Time between the answer 503 of /readyz, which begins when the process is asked to stop, and the end of service: what a " +
			"balancer needs to notice."},
	Key{Name: "drain_rate", value: intValue{func(c *Config) *int { return &c.DrainRate }, "clients", 0, 1_000_000},
		Doc: "Clients a connector that stops sends away per second; they come back on other connectors. The accept_rate of " +
			"those together should not be less. 0: all at once. Everything in one process has nobody to spare and sends all at once."},
	Key{Name: "drain_timeout", value: durationValue{func(c *Config) *time.Duration { return &c.DrainTimeout },
		milliseconds, 0, time.Hour},
		Doc: "Most time for that; then the remaining clients go at once. A supervisor must allow for drain_wait, this and shutdown_timeout."},
)

// clusterSecretMin is the least length of a configured secret.
const clusterSecretMin = 16

// canaryIntervalMin is the least interval but none: messages may take a moment.
const canaryIntervalMin = 500 * time.Millisecond

var clusterCombinations = []combination{
	{[]string{"cluster_secret"}, func(c *Config) string {
		if n := len(c.ClusterSecret.Reveal()); n > 0 && n < clusterSecretMin {
			return "too short; want at least 16 characters, or nothing"
		}
		return ""
	}},
	{[]string{"canary_interval"}, func(c *Config) string {
		if c.CanaryInterval > 0 && c.CanaryInterval < canaryIntervalMin {
			return "too short; want 0, or at least 500"
		}
		return ""
	}},
}
