package config

const limitMax = 1_000_000_000

var limitKeys = group("Limits",
	Key{Name: "connections_per_node", value: intValue{func(c *Config) *int { return &c.ConnectionsPerNode }, "connections", 0, limitMax},
		Doc: "Connections of one connector; further handshakes are answered 503. 0 means no limit. This and the other limits of " +
			"this group can be changed by SIGHUP."},
	Key{Name: "connections_per_address", value: intValue{func(c *Config) *int { return &c.ConnectionsPerAddress }, "connections", 0, limitMax},
		Doc: "Connections of one connector from one address (IPv6: one /64); further handshakes are answered 429. Not for this " +
			"machine itself and for trusted_proxies. 0 means no limit."},
	Key{Name: "connections_per_user", value: intValue{func(c *Config) *int { return &c.ConnectionsPerUser }, "connections", 0, limitMax},
		Doc: "Connections of one user to one connector. 0 means no limit."},
	Key{Name: "connections_per_namespace", value: intValue{func(c *Config) *int { return &c.ConnectionsPerNamespace }, "connections", 0, limitMax},
		Doc: "Connections of one namespace to one connector. 0 means no limit."},
	Key{Name: "handshakes_per_second", value: intValue{func(c *Config) *int { return &c.HandshakesPerSecond }, "handshakes", 0, 1_000_000},
		Doc: "Handshakes per second from one address, five times as many at once; further ones are answered 429. Not for this " +
			"machine itself and for trusted_proxies. 0 means no limit."},
	Key{Name: "events_per_second", value: intValue{func(c *Config) *int { return &c.EventsPerSecond }, "events", 0, 1_000_000},
		Doc: "Events per second of one client, five times as many at once. Further ones are answered \"limited access\", and who " +
			"goes on is disconnected. 0 means no limit."},
	Key{Name: "requests_per_second", value: intValue{func(c *Config) *int { return &c.RequestsPerSecond }, "requests", 0, 1_000_000},
		Doc: "REST requests per second with one credential to one process, twice as many at once; further ones are answered 429. " +
			"0 means no limit."},
)

var tlsKeys = group("TLS",
	Key{Name: "tls_cert", value: textValue{func(c *Config) *string { return &c.TLSCert }, "a file, or nothing", ofLength(0, 1024)},
		Doc: "PEM file of the certificate and its chain. With it and tls_key, everything is served by TLS 1.2 or 1.3 only. Changed files " +
			"are taken within ten seconds, or at once by SIGHUP. Connectors pass requests on to each other by TLS then, and know each other " +
			"by the keys of their certificates; no authority is asked. Empty: no TLS, a proxy in front may do it."},
	Key{Name: "tls_key", value: textValue{func(c *Config) *string { return &c.TLSKey }, "a file, or nothing", ofLength(0, 1024)},
		Doc: "PEM file of the private key of tls_cert."},
)

var tlsCombinations = []combination{
	{[]string{"tls_cert", "tls_key"}, func(c *Config) string {
		if (c.TLSCert == "") != (c.TLSKey == "") {
			return "want tls_cert and tls_key together"
		}
		return ""
	}},
}
