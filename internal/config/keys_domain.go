package config

import "time"

// shortestExpire is the least default lifetime of a message.
const shortestExpire = 36 * time.Second

var nameKeys = group("Names",
	Key{Name: "key_reg", value: textValue{func(c *Config) *string { return &c.KeyReg },
		"a regular expression (RE2) from ^ to $ that accepts no space, no control character and none of {},:|*", isKeyReg},
		Doc: "What namespaces, rooms, user ids and uuids may look like. It should accept / (namespaces begin with it) and _ (the " +
			"room of a user is user_<userid>)."},
	Key{Name: "namespace_max_length", value: intValue{func(c *Config) *int { return &c.NamespaceMaxLength }, "characters", 2, 1000},
		Doc: "Longest name of a namespace, with its slash."},
	Key{Name: "room_max_length", value: intValue{func(c *Config) *int { return &c.RoomMaxLength }, "characters", 1, 1000},
		Doc: "Longest name of a room."},
	Key{Name: "userid_max_length", value: intValue{func(c *Config) *int { return &c.UseridMaxLength }, "characters", 1, 1000},
		Doc: "Longest user id."},
	Key{Name: "uuid_max_length", value: intValue{func(c *Config) *int { return &c.UUIDMaxLength }, "characters", 1, 1000},
		Doc: "Longest uuid of a device."},
)

var clientKeys = group("Clients and rooms",
	Key{Name: "room_activity_broadcast", value: boolValue{func(c *Config) *bool { return &c.RoomActivityBroadcast }},
		Doc: "Tell the members of a room who joins and leaves, for clients that ask to be announced."},
	Key{Name: "people_event_max_members", value: intValue{func(c *Config) *int { return &c.PeopleEventMaxMembers }, "members", 1, 1_000_000},
		Doc: "A room with more members online than this does not hear who joins and leaves: every change would cost an event for each of them."},
	Key{Name: "client_rooms_max", value: intValue{func(c *Config) *int { return &c.ClientRoomsMax }, "rooms", 1, 100_000},
		Doc: "Rooms one client may be in."},
	Key{Name: "rooms_per_request_max", value: intValue{func(c *Config) *int { return &c.RoomsPerRequestMax }, "rooms", 1, 10_000},
		Doc: "Rooms one request may name."},
	Key{Name: "join_foreign_user_room", value: boolValue{func(c *Config) *bool { return &c.JoinForeignUserRoom }},
		Doc: "Let a client join the room of another user (user_<userid>) and so read along. The predecessor did."},
	Key{Name: "client_push_interval", value: durationValue{func(c *Config) *time.Duration { return &c.ClientPushInterval },
		seconds, 0, time.Hour},
		Doc: "Least time between two pushes of one client; 0 means no limit."},
	Key{Name: "client_push_require_member", value: boolValue{func(c *Config) *bool { return &c.ClientPushRequireMember }},
		Doc: "Let a client push only to rooms it is in."},
	Key{Name: "client_push_leave_message", value: boolValue{func(c *Config) *bool { return &c.ClientPushLeaveMessage }},
		Doc: "Let a client ask for offline delivery of what it pushes. The predecessor did."},
	Key{Name: "client_legacy_expire", value: durationValue{func(c *Config) *time.Duration { return &c.ClientLegacyExpire },
		hours, time.Hour, 87_600 * time.Hour},
		Doc: "A client that was not seen for this time is forgotten by the daily housekeeping, and by clear-legacy-client."},
	Key{Name: "namespace_offline_kick_rate", value: intValue{func(c *Config) *int { return &c.NamespaceOfflineKickRate },
		"clients", 1, 1_000_000},
		Doc: "Clients one connector disconnects per second when namespaces go offline."},
)

var pushKeys = group("Push",
	Key{Name: "emit_msg_pick_key", value: boolValue{func(c *Config) *bool { return &c.EmitMsgPickKey }},
		Doc: "Send clients only id, namespace, room, pushData and sendDate of a message; false adds every stored field."},
	Key{Name: "push_message_expire", value: durationValue{func(c *Config) *time.Duration { return &c.PushMessageExpire },
		hours, shortestExpire, 87_600 * time.Hour},
		Doc: "Lifetime of a message whose push names none. Not more than push_message_max_expire."},
	Key{Name: "push_message_max_expire", value: durationValue{func(c *Config) *time.Duration { return &c.PushMessageMaxExpire },
		hours, shortestExpire, 87_600 * time.Hour},
		Doc: "Longest lifetime a push may name."},
	Key{Name: "push_batch_max", value: intValue{func(c *Config) *int { return &c.PushBatchMax }, "pushes", 1, 10_000},
		Doc: "Pushes that are written to Redis together at most."},
	Key{Name: "ack_flush_interval", value: durationValue{func(c *Config) *time.Duration { return &c.AckFlushInterval },
		milliseconds, time.Millisecond, 10 * time.Second},
		Doc: "Acks are collected for this time and written together."},
)

var offlineKeys = group("Offline delivery",
	Key{Name: "worker_message_timeout", value: durationValue{func(c *Config) *time.Duration { return &c.WorkerMessageTimeout },
		milliseconds, 0, 10 * time.Minute},
		Doc: "Time a device has to ack before a message with leaveMessage counts as undelivered and goes to APNs or the inbox."},
	Key{Name: "offline_platforms", value: listValue{field: func(c *Config) *[]string { return &c.OfflinePlatforms },
		want: "android or web", judge: oneOf("android", "web"), distinct: true},
		Doc: "Platforms whose devices have an inbox: what they miss waits there and is handed out as offlineMessage when they connect. " +
			"iOS devices get APNs instead. The same in all processes."},
	Key{Name: "android_unread_message_list_max_limit", value: intValue{
		func(c *Config) *int { return &c.AndroidUnreadMessageListMaxLimit }, "messages", 1, 100_000},
		Doc: "Unread messages kept per device; the oldest go first."},
	Key{Name: "apns_aps_alert", value: textValue{func(c *Config) *string { return &c.ApnsApsAlert },
		"1 to 500 characters", ofLength(1, 500)},
		Doc: "Alert of an APNs notification that brings none of its own."},
	Key{Name: "apns_payload_size", value: intValue{func(c *Config) *int { return &c.ApnsPayloadSize }, "bytes", 100, 5120},
		Doc: "Largest pushData.apsData, as JSON. Apple accepts 4096 for the whole notification, 5120 for VoIP."},
)

var reportKeys = group("Reports",
	Key{Name: "push_message_list_max_limit", value: intValue{func(c *Config) *int { return &c.PushMessageListMaxLimit }, "messages", 1, 100_000},
		Doc: "Messages in the history of a namespace."},
	Key{Name: "report_online_list_max_limit", value: intValue{func(c *Config) *int { return &c.ReportOnlineListMaxLimit }, "entries", 0, 100_000},
		Doc: "Longest list of rooms, users or clients in the online report; a longer one is left out."},
	Key{Name: "report_push_ack_detail_max_limit", value: intValue{func(c *Config) *int { return &c.ReportPushAckDetailMaxLimit }, "entries", 0, 100_000},
		Doc: "Longest list of acks in the report of a message; a longer one is left out."},
)
