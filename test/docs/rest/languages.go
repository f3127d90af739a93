package main

var languages = []language{
	{
		file: "doc/rest.md", prose: true,
		head: `# REST API

[简体中文](zh/rest.md)

Written from [openapi.yaml](openapi.yaml) by ` + "`go run ./test/docs/rest`" + `; change that file, not this page. A running server shows
the same under ` + "`/docs/`" + `.

- **Where**: port 21314 of everything in one process, port 56789 of a logic process, ` + "`/push-logic/`" + ` behind the proxy.
- **Credential**: ` + "`namespace`" + ` is HTTP Basic with the name of the namespace, ` + "`/demo:<password>`" + `; ` + "`admin`" + ` is the administrator's,
  ` + "`session`" + ` is a login of the console, and one of those named is enough. The administrator acts for a namespace as ` + "`admin@/demo`" + `.
- **Errors** are ` + "`{\"code\": number, \"msg\": text}`" + `; the codes are in openapi.yaml. After a 503 repeat the request, after a 429 wait
  for ` + "`Retry-After`" + ` seconds. A push answered with 503 and code 1202 may have been accepted.
- **Bodies** are JSON or forms with brackets. Unknown fields are dropped. Paths are case-insensitive.
`,
	},
	{
		file: "doc/zh/rest.md",
		head: `# REST 接口

[English](../rest.md)

本页由 ` + "`go run ./test/docs/rest`" + ` 根据 [openapi.yaml](../openapi.yaml) 生成，请勿手工修改。字段的完整说明见[英文版](../rest.md)，运行中的服务器也在
` + "`/docs/`" + ` 下提供。

- **地址**：单进程为端口 21314，logic 进程为端口 56789，反向代理之后为 ` + "`/push-logic/`" + `。
- **凭证**：「命名空间」为 HTTP Basic，用户名是命名空间本身，即 ` + "`/demo:<密码>`" + `；「管理员」为管理员的用户名和密码。管理员以 ` + "`admin@/demo`" + ` 的名义代命名空间操作。
- **错误**一律是 ` + "`{\"code\": 数字, \"msg\": 文本}`" + `。503 可以重试；429 请等待 ` + "`Retry-After`" + ` 秒。返回 503 且 code 为 1202 的推送可能已被接受。
- **请求体**为 JSON 或带方括号的表单，未知字段被忽略，路径不区分大小写。
`,
		labels: map[string]string{
			"Request": "请求", "Purpose": "用途", "Credential": "凭证", "Body:": "请求体：", "Answer:": "返回：",
			"none": "无", "namespace": "命名空间", "admin": "管理员", "session": "控制台会话", ", ": "、", ".": "。",
			"health": "健康检查", "login": "登录", "push": "推送", "client": "设备", "report": "报表", "maintenance": "维护", "queue": "队列",
			"console": "控制台", "auth": "认证",
		},
		summaries: map[string]string{
			"health": "本进程能否提供服务", "loginNamespace": "校验命名空间的凭证", "loginAdmin": "校验管理员的凭证",
			"push": "向一个房间推送消息", "pushBatch": "一次推送多条消息", "history": "命名空间的消息，从新到旧", "message": "一条消息及其回执",
			"receipts": "一条消息在每台设备上的结果", "states": "一条消息按平台和状态统计的结果", "trace": "一条消息的经过：时间线与每台设备的步骤", "userMessages": "发给一个用户各设备的消息及其结果", "online": "命名空间或房间内的在线情况", "adminOnline": "全部或某个命名空间的在线情况",
			"messageStat": "当前分钟、小时、当天接受的推送数", "transfer": "把若干房间的设备移入或移出另一个房间", "client": "读取或修改一台设备的记录",
			"testAPNs": "发送一条测试通知", "roomAPNs": "为房间内所有设备设置免打扰的房间", "roomLeaveMessage": "为房间内所有设备开关离线消息",
			"namespace": "读取自己的命名空间", "namespaceLimits": "命名空间的限制及可修改的范围", "saveOwnNamespace": "修改自己的命名空间", "listNamespaces": "命名空间列表", "saveNamespace": "创建或修改命名空间",
			"queues": "持久队列的状态", "deadJobs": "被放弃的任务", "requeue": "重新执行被放弃的任务", "clearRealtime": "检查在线列表",
			"clearLegacy": "清除长期未出现的设备", "clearNamespace": "清空命名空间的数据", "clearNamespaceByPost": "清空命名空间的数据",
			"clearNamespaceByDelete": "清空命名空间的数据", "flushNamespace": "删除命名空间", "flushNamespaceByPost": "删除命名空间",
			"flushNamespaceByDelete": "删除命名空间", "consoleLogin": "登录控制台", "consoleSession": "当前的控制台会话", "consoleLogout": "退出控制台",
			"overview": "命名空间概览", "adminOverview": "全局概览", "series": "命名空间的时间序列", "adminSeries": "全局时间序列", "nodes": "节点",
			"redis": "存储的状态", "audit": "操作审计", "rooms": "房间", "room": "一个房间", "roomClients": "房间内的设备", "users": "用户", "clients": "设备列表",
			"device": "一台设备", "kickDevice": "断开一台设备", "muteDevice": "为设备设置免打扰", "messages": "查找消息", "testCallback": "测试回调",
			"listAPIKeys": "API 密钥列表", "createAPIKey": "创建 API 密钥", "removeAPIKey": "删除 API 密钥", "listRevocations": "吊销列表", "revoke": "吊销用户或设备", "liftRevocation": "撤销吊销",
		},
	},
}
