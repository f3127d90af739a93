package config

import (
	"net/netip"
	"time"
)

const wantHost = "an IP address or a host name"

var listenKeys = group("Listening",
	Key{Name: "listen", value: textValue{func(c *Config) *string { return &c.Listen },
		"host:port with a port from 0 to 65535, or nothing", isListenAddress},
		Doc: "Address of whatever this process serves. It takes the place of socket_ip and socket_port, or logic_ip and " +
			"logic_port. Empty: those apply; everything in one process then listens on 127.0.0.1:21314. Port 0 takes any free port."},
	Key{Name: "socket_ip", value: textValue{func(c *Config) *string { return &c.SocketIP }, wantHost, isHost},
		Doc: "Address the connector (Socket.IO) listens on."},
	Key{Name: "socket_port", value: intValue{func(c *Config) *int { return &c.SocketPort }, "", 1, 65535},
		Doc: "Port of the connector."},
	Key{Name: "logic_ip", value: textValue{func(c *Config) *string { return &c.LogicIP }, wantHost, isHost},
		Doc: "Address the logic role (REST) listens on."},
	Key{Name: "logic_port", value: intValue{func(c *Config) *int { return &c.LogicPort }, "", 1, 65535},
		Doc: "Port of the logic role."},
	Key{Name: "metrics_listen", value: textValue{func(c *Config) *string { return &c.MetricsListen },
		"host:port with a port from 0 to 65535, or nothing", isListenAddress},
		Doc: "Address on which /metrics is served for Prometheus, /livez and /readyz beside it, and profiles below /debug/pprof/; " +
			"it has no password and must not be reachable from outside. Empty: not served."},
)

var connectionKeys = group("Socket.IO connections",
	Key{Name: "transports", value: listValue{field: func(c *Config) *[]string { return &c.Transports },
		want: "polling or websocket", judge: oneOf("polling", "websocket"), notEmpty: true, distinct: true},
		Doc: "Transports that clients may use. With both, a client that begins with polling may upgrade."},
	Key{Name: "pingInterval", value: durationValue{func(c *Config) *time.Duration { return &c.PingInterval },
		milliseconds, 50 * time.Millisecond, time.Hour},
		Doc: "Time between two heartbeats of a connection."},
	Key{Name: "pingTimeout", value: durationValue{func(c *Config) *time.Duration { return &c.PingTimeout },
		milliseconds, 50 * time.Millisecond, time.Hour},
		Doc: "A connection that stays silent for pingInterval and this is closed."},
	Key{Name: "upgrade_timeout", value: durationValue{func(c *Config) *time.Duration { return &c.UpgradeTimeout },
		milliseconds, 100 * time.Millisecond, 10 * time.Minute},
		Doc: "Time for an upgrade from polling to websocket; after it the new connection is dropped and polling goes on."},
	Key{Name: "connect_timeout", value: durationValue{func(c *Config) *time.Duration { return &c.ConnectTimeout },
		milliseconds, 100 * time.Millisecond, 10 * time.Minute},
		Doc: "A connection that has joined no namespace after this time is closed."},
	Key{Name: "recovery_window", value: durationValue{func(c *Config) *time.Duration { return &c.RecoveryWindow },
		milliseconds, 0, time.Hour},
		Doc: "A Socket.IO 4 client whose connection broke and that is back within this time continues its session on any node and " +
			"gets what it missed. The same in all processes. 0: never."},
	Key{Name: "max_payload", value: intValue{func(c *Config) *int { return &c.MaxPayload }, "bytes", 1000, 100_000_000},
		Doc: "Largest message on a websocket, and largest body of a poll, that a client may send."},
	Key{Name: "permessage_deflate", value: boolValue{func(c *Config) *bool { return &c.PermessageDeflate }},
		Doc: "Compress WebSocket messages of 1024 bytes and more for clients that offer it. Each is compressed once, however many " +
			"clients get it; receiving costs memory and CPU per message."},
	Key{Name: "send_buffer", value: intValue{func(c *Config) *int { return &c.SendBuffer }, "bytes", 64 << 10, 1 << 30},
		Doc: "How far one client may lag behind. A client with more waiting for it is disconnected. Not less than max_payload " +
			"and rest_body_limit, or their largest message could reach nobody."},
	Key{Name: "allowed_origins", value: listValue{field: func(c *Config) *[]string { return &c.AllowedOrigins },
		want: wantOrigin, judge: isOrigin, distinct: true},
		Doc: "Origins whose pages may connect and call the REST interface; \"*\" means every origin, an empty list none but " +
			"the server's own."},
)

var adminKeys = group("Administrator and REST",
	Key{Name: "admin_name", value: textValue{func(c *Config) *string { return &c.AdminName },
		"1 to 100 characters without a colon", matching(`^[^:]{1,100}$`)},
		Doc: "Name of the administrator, for the console and /api/admin."},
	Key{Name: "admin_passwd", value: secretValue{func(c *Config) *Secret { return &c.AdminPasswd }},
		Doc: "Password of the administrator. Empty: one is generated at the first start, kept in the store and shown once."},
	Key{Name: "viewer_name", value: textValue{func(c *Config) *string { return &c.ViewerName },
		"up to 100 characters without a colon, the first no slash", matching(`^([^:/][^:]{0,99})?$`)},
		Doc: "Name of an account that may look at everything in the console and change nothing. Empty: there is none."},
	Key{Name: "viewer_passwd", value: secretValue{func(c *Config) *Secret { return &c.ViewerPasswd }},
		Doc: "Password of viewer_name."},
	Key{Name: "auth_failures_per_minute", value: intValue{func(c *Config) *int { return &c.AuthFailuresPerMinute }, "", 1, 100_000},
		Doc: "Failed authentications per minute, for each address and for each name, after which further ones are refused " +
			"without a look at the password."},
	Key{Name: "trusted_proxies", value: prefixesValue{func(c *Config) *[]netip.Prefix { return &c.TrustedProxies }},
		Doc: "Networks of the proxies in front of this server. Only their X-Forwarded-For and X-Forwarded-Proto are believed."},
	Key{Name: "rest_body_limit", value: intValue{func(c *Config) *int { return &c.RestBodyLimit }, "bytes", 1 << 10, 64 << 20},
		Doc: "Largest JSON body of a REST request."},
	Key{Name: "form_body_limit", value: intValue{func(c *Config) *int { return &c.FormBodyLimit }, "bytes", 1 << 10, 64 << 20},
		Doc: "Largest form or text body of a REST request."},
	Key{Name: "rest_batch_max", value: intValue{func(c *Config) *int { return &c.RestBatchMax }, "", 1, 8000},
		Doc: "Most pushes of one request to /api/auth/push/batch. They also have to fit into rest_body_limit."},
	Key{Name: "idempotency_window", value: durationValue{func(c *Config) *time.Duration { return &c.IdempotencyWindow },
		seconds, time.Minute, 7 * 24 * time.Hour},
		Doc: "How long the answer to a push with an Idempotency-Key is kept, so that a repeat gets the same answer and pushes nothing."},
)

var callbackKeys = group("Callbacks",
	Key{Name: "callback_timeout", value: durationValue{func(c *Config) *time.Duration { return &c.CallbackTimeout },
		milliseconds, 100 * time.Millisecond, time.Minute},
		Doc: "Time a callback of a business system may take; a connect callback that takes longer refuses the client."},
	Key{Name: "callback_concurrency", value: intValue{func(c *Config) *int { return &c.CallbackConcurrency }, "", 1, 10_000},
		Doc: "Callbacks under way at the same time in one process; half of them for one namespace, when they are disconnect callbacks."},
	Key{Name: "callback_attempts", value: intValue{func(c *Config) *int { return &c.CallbackAttempts }, "", 1, 100},
		Doc: "Attempts of a disconnect callback that gets no answer, 1 s apart at first and 1 min at last; then it goes to the dead letters."},
	Key{Name: "callback_breaker", value: intValue{func(c *Config) *int { return &c.CallbackBreaker }, "", 1, 1_000_000},
		Doc: "Connect callbacks of a namespace in a row without an answer after which only a probe goes out now and then and " +
			"clients are refused at once, until one is answered."},
	Key{Name: "callback_allow", value: prefixesValue{func(c *Config) *[]netip.Prefix { return &c.CallbackAllow }},
		Doc: "Networks that callbacks may go to; empty means all. Namespaces set their callback URLs themselves."},
	Key{Name: "callback_deny", value: prefixesValue{func(c *Config) *[]netip.Prefix { return &c.CallbackDeny }},
		Doc: "Networks that callbacks may not go to, even when callback_allow holds them. The default has the addresses at which " +
			"clouds tell machines their secrets."},
)

var logKeys = group("Logs",
	Key{Name: "log_level", value: textValue{func(c *Config) *string { return &c.LogLevel },
		"trace, debug, info, warn or error", oneOf("trace", "debug", "info", "warn", "error")},
		Doc: "Least level that is logged."},
	Key{Name: "log_format", value: textValue{func(c *Config) *string { return &c.LogFormat },
		"auto, console or json", oneOf("auto", "console", "json")},
		Doc: "console is for people, json for machines; auto takes console on a terminal and json elsewhere."},
	Key{Name: "log_path", value: textValue{func(c *Config) *string { return &c.LogPath },
		"a directory, or nothing", ofLength(0, 1024)},
		Doc: "Directory for the files <log_prefix>_error.log and <log_prefix>_warn.log. Empty: everything goes to standard error."},
	Key{Name: "log_prefix", value: textValue{func(c *Config) *string { return &c.LogPrefix },
		"1 to 100 characters without / and \\", matching(`^[^/\\]{1,100}$`)},
		Doc: "Beginning of the names of the log files; $ip_port$ stands for role, address and port, as socket_0.0.0.0:21314."},
)
