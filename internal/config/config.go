package config

import (
	"net/netip"
	"time"
)

// Config holds one value per key of the configuration. The meaning, unit and bounds of each are in the key table
// (see [Keys]) and in config.yaml; here durations are time.Duration whatever unit the file uses, and sizes are bytes.
// Slices are shared between copies and must not be changed.
type Config struct {
	// Listening.
	Listen        string
	SocketIP      string
	SocketPort    int
	LogicIP       string
	LogicPort     int
	MetricsListen string

	// Socket.IO connections.
	Transports        []string
	PingInterval      time.Duration
	PingTimeout       time.Duration
	UpgradeTimeout    time.Duration
	ConnectTimeout    time.Duration
	RecoveryWindow    time.Duration
	MaxPayload        int
	PermessageDeflate bool
	SendBuffer        int
	AllowedOrigins    []string

	// Redis.
	RedisAddress      Address
	RedisUsername     string
	RedisPassword     Secret
	RedisDB           int
	RedisPrefix       string
	RedisTLS          bool
	RedisTLSInsecure  bool
	RedisPoolSize     int
	RedisTimeout      time.Duration
	Sentinels         []string
	SentinelsName     string
	SentinelsUsername string
	SentinelsPassword Secret

	// Node.
	DataDir         string
	NodeID          string
	NodeLease       time.Duration
	CanaryInterval  time.Duration
	StreamMaxLength int
	ShutdownTimeout time.Duration

	// Cluster.
	NodeAddress   string
	ClusterSecret Secret
	RelayMax      int
	AcceptRate    int
	DrainWait     time.Duration
	DrainRate     int
	DrainTimeout  time.Duration

	// Administrator and REST.
	AdminName             string
	AdminPasswd           Secret
	ViewerName            string
	ViewerPasswd          Secret
	AuthFailuresPerMinute int
	TrustedProxies        []netip.Prefix
	RestBodyLimit         int
	FormBodyLimit         int
	RestBatchMax          int
	IdempotencyWindow     time.Duration

	// Names.
	KeyReg             string
	NamespaceMaxLength int
	RoomMaxLength      int
	UseridMaxLength    int
	UUIDMaxLength      int

	// Clients and rooms.
	RoomActivityBroadcast    bool
	PeopleEventMaxMembers    int
	ClientRoomsMax           int
	RoomsPerRequestMax       int
	JoinForeignUserRoom      bool
	ClientPushInterval       time.Duration
	ClientPushRequireMember  bool
	ClientPushLeaveMessage   bool
	ClientLegacyExpire       time.Duration
	NamespaceOfflineKickRate int

	// Housekeeping.
	HousekeepingHourly string
	HousekeepingDaily  string

	// Push.
	EmitMsgPickKey       bool
	PushMessageExpire    time.Duration
	PushMessageMaxExpire time.Duration
	PushBatchMax         int
	AckFlushInterval     time.Duration

	// Offline delivery.
	WorkerMessageTimeout             time.Duration
	OfflinePlatforms                 []string
	AndroidUnreadMessageListMaxLimit int
	ApnsApsAlert                     string
	ApnsPayloadSize                  int

	// APNs.
	ApnsHost        string
	ApnsCaFile      string
	ApnsConcurrency int
	ApnsTimeout     time.Duration

	// Secrets.
	SecretKey    Secret
	SecretKeyOld Secret

	// Reports.
	PushMessageListMaxLimit     int
	ReportOnlineListMaxLimit    int
	ReportPushAckDetailMaxLimit int

	// Callbacks.
	CallbackTimeout     time.Duration
	CallbackConcurrency int
	CallbackAttempts    int
	CallbackBreaker     int
	CallbackAllow       []netip.Prefix
	CallbackDeny        []netip.Prefix

	// Limits; 0 is none.
	ConnectionsPerNode      int
	ConnectionsPerAddress   int
	ConnectionsPerUser      int
	ConnectionsPerNamespace int
	HandshakesPerSecond     int
	EventsPerSecond         int
	RequestsPerSecond       int

	// TLS.
	TLSCert string
	TLSKey  string

	// Logs.
	LogLevel  string
	LogFormat string
	LogPath   string
	LogPrefix string
}

// Default returns the configuration of an installation that sets nothing. It is valid as it stands.
func Default() Config {
	return Config{
		Listen:     "",
		SocketIP:   "0.0.0.0",
		SocketPort: 21314,
		LogicIP:    "0.0.0.0",
		LogicPort:  56789,

		Transports:     []string{"polling", "websocket"},
		PingInterval:   20 * time.Second,
		PingTimeout:    10 * time.Second,
		UpgradeTimeout: 10 * time.Second,
		ConnectTimeout: 10 * time.Second,
		RecoveryWindow: 2 * time.Minute,
		MaxPayload:     1_000_000,
		SendBuffer:     4 << 20,
		AllowedOrigins: []string{"*"},

		RedisAddress:      Address{},
		RedisUsername:     "",
		RedisPassword:     "",
		RedisDB:           0,
		RedisPrefix:       "lp:",
		RedisTLS:          false,
		RedisTLSInsecure:  false,
		RedisPoolSize:     0,
		RedisTimeout:      3 * time.Second,
		Sentinels:         nil,
		SentinelsName:     "",
		SentinelsUsername: "",
		SentinelsPassword: "",

		DataDir:         "./lightpush-data",
		NodeID:          "",
		NodeLease:       15 * time.Second,
		CanaryInterval:  5 * time.Second,
		StreamMaxLength: 200_000,
		ShutdownTimeout: 10 * time.Second,

		NodeAddress:   "",
		ClusterSecret: "",
		RelayMax:      20_000,
		AcceptRate:    0,
		DrainWait:     0,
		DrainRate:     1000,
		DrainTimeout:  2 * time.Minute,

		AdminName:             "admin",
		AdminPasswd:           "",
		ViewerName:            "",
		ViewerPasswd:          "",
		AuthFailuresPerMinute: 30,
		TrustedProxies:        nil,
		RestBodyLimit:         1 << 20,
		FormBodyLimit:         56 << 10,
		RestBatchMax:          500,
		IdempotencyWindow:     time.Hour,

		KeyReg:             `^[\\\w.\\\d\-$#/]+$`,
		NamespaceMaxLength: 50,
		RoomMaxLength:      100,
		UseridMaxLength:    100,
		UUIDMaxLength:      100,

		RoomActivityBroadcast:    true,
		PeopleEventMaxMembers:    5_000,
		ClientRoomsMax:           1000,
		RoomsPerRequestMax:       100,
		JoinForeignUserRoom:      false,
		ClientPushInterval:       time.Second,
		ClientPushRequireMember:  false,
		ClientPushLeaveMessage:   false,
		ClientLegacyExpire:       240 * time.Hour,
		NamespaceOfflineKickRate: 500,

		HousekeepingHourly: "17 * * * *",
		HousekeepingDaily:  "41 3 * * *",

		EmitMsgPickKey:       true,
		PushMessageExpire:    time.Hour,
		PushMessageMaxExpire: 10 * time.Hour,
		PushBatchMax:         512,
		AckFlushInterval:     20 * time.Millisecond,

		WorkerMessageTimeout:             5 * time.Second,
		OfflinePlatforms:                 []string{"android"},
		AndroidUnreadMessageListMaxLimit: 100,
		ApnsApsAlert:                     "通知",
		ApnsPayloadSize:                  4000,

		ApnsHost:        "",
		ApnsCaFile:      "",
		ApnsConcurrency: 1000,
		ApnsTimeout:     5 * time.Second,

		SecretKey:    "",
		SecretKeyOld: "",

		PushMessageListMaxLimit:     1000,
		ReportOnlineListMaxLimit:    1000,
		ReportPushAckDetailMaxLimit: 1000,

		CallbackTimeout:     5 * time.Second,
		CallbackConcurrency: 64,
		CallbackAttempts:    10,
		CallbackBreaker:     10,
		CallbackAllow:       nil,
		CallbackDeny:        []netip.Prefix{netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("fe80::/10")},

		ConnectionsPerNode:      1_000_000,
		ConnectionsPerAddress:   10_000,
		ConnectionsPerUser:      1000,
		ConnectionsPerNamespace: 0,
		HandshakesPerSecond:     1000,
		EventsPerSecond:         1000,
		RequestsPerSecond:       50_000,

		TLSCert: "",
		TLSKey:  "",

		LogLevel:  "info",
		LogFormat: "auto",
		LogPath:   "",
		LogPrefix: "$ip_port$",
	}
}

// Address is where Redis is. The zero value means that none is configured.
type Address struct {
	Nodes   []string // host:port each; at most one unless Cluster
	Cluster bool     // written as a list: Nodes are seeds of a Redis Cluster, even when there is only one
}

// IsZero reports whether no address is configured.
func (a Address) IsZero() bool { return len(a.Nodes) == 0 }
