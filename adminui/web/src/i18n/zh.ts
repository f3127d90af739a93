import type { Messages } from './index'

const zh: Messages = {
  common: {
    all: '全部', yes: '是', no: '否', on: '开', off: '关', save: '保存', saved: '已保存', cancel: '取消', close: '关闭', edit: '修改', copy: '复制',
    copied: '已复制', retry: '重试', refresh: '刷新', loading: '加载中…', none: '暂无数据', online: '在线', offline: '离线', actions: '操作',
  },
  connection: { lost: '服务器没有响应，恢复后本页会自动继续。', looking: '正在查找服务器…', searching: '服务器尚未响应，正在重试…' },
  error: {
    unreachable: '服务器没有响应', page: '页面出现错误', status: '服务器返回 {status}', retry: '请在 {seconds} 秒后重试',
    code: {
      1002: '命名空间不存在', 1003: '密码错误', 1004: '用户名或密码错误', 1005: '登录失败次数过多，请稍后再试', 1006: '会话已过期', 1007: '页面已过期，请刷新',
      1008: '当前角色只能查看', 1103: '内容过大', 1104: '测试通知过于频繁，请稍后再试', 1201: '服务器繁忙', 1202: '存储没有响应', 1203: '命名空间正在清空',
      1204: '该命名空间有另一个转移正在进行', 1500: '服务器内部错误，详见其日志',
    },
  },
  role: { admin: '管理员', viewer: '观察员', owner: '命名空间', reader: '只读' },
  preferences: { language: '切换到 English', theme: '颜色主题', light: '浅色', dark: '深色', auto: '跟随系统' },
  login: {
    title: '登录', text: '运维、监控并试用你的推送服务。', name: '用户名', password: '密码', submit: '登录', both: '请输入用户名和密码', refused: '用户名或密码错误',
    hint: '管理员使用管理员账号登录；命名空间使用自己的名称登录，例如 demo。',
  },
  relogin: { title: '会话已过期', text: '请重新登录后继续，已输入的内容都还在。', continue: '继续', leave: '离开此页' },
  nav: {
    main: '主菜单', skip: '跳到正文', open: '菜单', fold: '折叠菜单', user: '账号', logout: '退出', installation: '系统', namespace: '命名空间', overview: '总览',
    namespaces: '命名空间', nodes: '节点', redis: 'Redis', queues: '队列', audit: '审计日志', 'ns-overview': '总览', rooms: '房间', room: '房间', users: '用户',
    devices: '设备', device: '设备', push: '推送', messages: '消息', message: '消息', simulator: '模拟客户端', settings: '设置',
  },
  table: { shown: '已显示 {n} 条', more: '显示更多', size: '每页条数' },
  confirm: { type: '请输入以确认：' },
  json: {
    label: 'JSON', format: '格式化', valid: 'JSON 有效', empty: '请输入 JSON', syntax: '不是有效的 JSON：第 {line} 行，第 {column} 列',
    object: '必须是对象：{\'{\'} … {\'}\'}', container: '必须是对象或数组', all: '显示全部',
  },
  chart: { save: '保存为图片', missing: '图表加载失败' },
  overview: {
    title: '总览', text: '所有命名空间的合计。', textNs: '此命名空间的实时情况。', at: '截至 {time}', clients: '终端', users: '用户', rooms: '房间', roomsNote: '有人在线',
    total: '累计 {n} 台设备', pushes: '推送', deliveries: '投递', acks: '确认', pushesMinute: '本分钟推送', today: '今日 {n}', arrival: '到达率', thisHour: '本小时', hour: '小时',
    presence: '在线情况', history: '由服务器逐分钟保存', range: '时间范围', platforms: '各平台在线', traffic: '消息', perStep: '每个时间段的推送、投递和确认',
    arrivalText: '确认数与投递数之比', live: '实时', liveText: '页面打开期间每五秒更新', counters: '计数', what: '当前', minute: '分钟', day: '天',
  },
  nodes: {
    title: '节点', text: '系统中的每个进程及其负载。', node: '节点', role: '角色', clients: '终端', cpu: 'CPU', memory: '内存', goroutines: '协程', lag: '滞后', lease: '租约',
    up: '已运行', version: '版本', expired: '已过期',
  },
  redis: {
    title: 'Redis', text: '支撑一切的存储。', down: 'Redis 没有响应', fine: 'Redis 运行正常', latency: '延迟', latencyNote: '一次往返', ops: '操作数', opsNote: '每秒',
    clients: '连接数', clientsNote: '到 Redis', memory: '内存', of: '{max} 的 {percent}', noLimit: '未设上限', server: '服务器', version: '版本', mode: '模式',
    policy: '淘汰策略', persistence: '持久化',
  },
  queues: {
    title: '队列', text: '重启后不会丢失的任务。', name: { offline: '离线投递', callback: '下线回调' }, about: { offline: '要求离线保存的消息', callback: '通知业务系统' }, queue: '队列',
    waiting: '等待中', ready: '已到期', working: '处理中', dead: '死信', oldest: '最久已到期', letters: '死信', lettersText: '已放弃的任务，最新在前',
    requeueMarked: '重新入队所选（{n}）', requeueAll: '全部重新入队', none: '没有死信', job: '任务', reason: '原因', attempts: '尝试次数', enqueued: '入队时间', buried: '放弃时间',
    moved: '{n} 个任务已重新入队',
  },
  audit: {
    title: '审计日志', text: '每一次管理操作：谁、何时、从哪里。', time: '时间', actor: '操作者', action: '操作', namespace: '命名空间', target: '对象', detail: '详情', address: '地址',
    actions: {
      login: '登录', logout: '退出', login_failed: '登录失败', login_limited: '登录受限', namespace_save: '保存',
      namespace_realtime: '清空实时数据', 'namespace_clear-legacy': '删除僵尸客户端', namespace_clear: '清空数据', namespace_flush: '删除',
      namespace_online: '上线', namespace_offline: '下线', device_kick: '踢下线', device_mute: '静音', device_update: '修改设备',
      queue_requeue: '重新入队', callback_test: '测试回调', apns_test: '测试 APNs', push: '推送', room_mute: '房间静音',
      room_leaveMessage: '房间离线投递', room_transfer: '房间转移',
    },
  },
  namespaces: {
    title: '命名空间', text: '每个命名空间是一个独立的租户。', create: '新增命名空间', count: '命名空间', key: '命名空间', name: '名称', state: '服务状态', on: '上线', off: '下线',
    total: '累计客户端', updated: '修改日期', enter: '进入', more: '{key} 的更多操作', turnOn: '服务上线', turnOff: '服务下线', nowOn: '{key} 已上线', nowOff: '{key} 已下线',
    act: { realtime: '清空实时数据', legacy: '删除僵尸客户端', clear: '清空数据', flush: '删除命名空间' },
    ask: { offline: '{key} 服务下线', realtime: '清空 {key} 的实时数据', legacy: '删除 {key} 的僵尸客户端', clear: '清空 {key} 的全部数据', flush: '删除 {key}' },
    warn: {
      offline: '所有客户端将被断开，重新上线之前无法连接。', realtime: '将忘记谁在线。设备、房间成员和消息保留。', legacy: '长期未出现的设备连同其房间成员关系和收件箱将被删除。',
      clear: '设备、房间、收件箱、消息、回执和计数将被删除，配置保留。', flush: '命名空间及其全部数据将被删除，其凭证立即失效。',
    },
    done: { offline: '已下线', realtime: '实时数据已清空', legacy: '已删除 {n} 台设备', clear: '数据已清空', flush: '命名空间已删除' },
  },
  namespace: {
    create: '新增命名空间', edit: '修改 {key}', general: '基本', key: '命名空间', keyHint: '字母、数字、_ . - $ # /', name: '名称', auth_passwd: '密码',
    auth_passwdHint: '业务系统和负责人用它登录', viewer_passwd: '只读密码', viewer_passwdHint: '供只能查看、不能推送的人使用', generate: '随机生成', callbacks: '回调',
    connect_callback: '上线回调接口', disconnect_callback: '下线回调接口', callback_auth: 'Authorization 头', callback_secret: '签名密钥', callback_secretHint: '留空：回调不签名',
    test: '测试', auth: '谁可以连接', authMode: '客户端校验方式',
    authModes: { open: '不校验：任何人可连接', callback: '上线回调接口', jwt: 'JSON Web Token', hmac: '签名（HMAC）' }, auth_key: '密钥', auth_key_old: '旧密钥（仍有效）',
    auth_jwks: '密钥集地址（JWKS）', auth_audience: 'Audience', switches: '开关', client_push: '允许客户端推送', client_pushHint: '通过 push 事件', join_foreign_user_room: '允许加入其他用户的房间', default: '按配置', apns: 'APNs 配置',
    fault: { empty: '必填', long: '过长', characters: '只能使用字母、数字和 _ . - $ # /', url: '必须以 http:// 或 https:// 开头' },
  },
  settings: { text: '此命名空间的回调、密码、开关和 APNs 配置。' },
  apns: {
    none: '没有配置：iOS 推送使用命名空间 / 的 default 配置。', add: '新增配置', remove: '删除配置', keep: '保留', removed: '将被删除', name: '名称', env: '环境', dev: '沙盒', production: '生产',
    apns_topic: 'Topic（bundle id）', apns_expiration: '有效期（秒）', apns_host: '网关', token_key: 'Token 密钥（.p8）', token_keyId: 'Key id', token_teamId: 'Team id',
    apns_dev_cert: '沙盒证书（PEM）', apns_dev_key: '沙盒密钥（PEM）', apns_production_cert: '生产证书（PEM）', apns_production_key: '生产密钥（PEM）', test: '测试通知',
    testTitle: '用 {name} 发送测试通知', token: '设备令牌', device: '客户端 ID', payload: '内容', send: '发送', accepted: 'APNs 已接受', noAnswer: 'APNs 没有响应',
  },
  callback: {
    title: { connect: '测试上线回调', disconnect: '测试下线回调' }, text: '像客户端连接时一样调用已保存的地址，并显示真实的响应。', query: '参数', go: '调用',
    answered: '{ms} 后返回 {status}', failed: '{ms} 内没有响应',
  },
  rooms: {
    text: '房间及其在线和累计成员。', room: '房间', users: '用户', online: '在线', total: '成员', split: '各平台', search: '搜索房间', none: '没有找到房间', push: '推送',
    ofTotal: '占成员的 {p}', totalNote: '已加入且未离开', chart: '在线变化', chartText: '页面打开期间每五秒更新', who: '房间成员',
  },
  users: { text: '业务系统的用户及其设备。', user: '用户', devices: '设备', search: '搜索用户', none: '没有找到用户', show: '设备', room: '用户房间' },
  devices: {
    text: '所有出现过的设备及其最新状态。', device: '设备', user: '用户', platform: '平台', state: '状态', since: '自', onlineOnly: '仅在线', search: '搜索客户端 ID',
    lastConnect: '最近上线', lastDisconnect: '最近下线', node: '节点', none: '没有找到设备',
  },
  device: {
    identity: '身份', clientId: '客户端 ID', record: '记录', unknown: '没有记录', kick: '踢下线', kicked: '已断开', offline: '离线投递', offlineText: '关闭后，设备不在线时不保存也不发送',
    optedIn: '离线投递已打开', optedOut: '离线投递已关闭', rooms: '房间（{n}）', noRooms: '不在任何房间', mutes: '静音房间（{n}）', mutesText: '不通过 APNs 发送到此设备', noMutes: '无',
    muteRoom: '要静音的房间', mute: '静音', muted: '已静音', unmuted: '已取消静音', inbox: '收件箱（{n}）', inboxText: '等待设备领取', noInbox: '收件箱为空', expires: '过期时间',
    recent: '最近消息', recentText: '以及它们在此设备上的结果',
    fields: {
      userid: '用户', userId: '用户（显示）', nspName: '命名空间（显示）', first_connect_time: '首次上线', last_connect_time: '最近上线', last_disconnect_time: '最近下线',
      disconnect_reason: '原因', update_date: '修改时间', no_send_apns: '静音房间', device_token: '设备令牌', mobile: '手机', system: '系统', leaveMessage: '离线投递',
      longitude: '经度', latitude: '纬度',
    },
  },
  push: {
    text: '编写消息，预览结果，然后发送。', message: '消息', target: '发送给', room: '房间', user: '用户', roomName: '房间名', userId: '用户 ID',
    roomFault: { empty: '必填', long: '过长', characters: '只能使用字母、数字和 _ . - $ # /' }, leaveMessage: '离线保存', leaveMessageText: '设备不在线或未确认时进入收件箱或 APNs',
    lost: '模拟数据丢失', lostText: '保存并计数，但不在线投递', apnsName: 'APNs 配置', apnsDefault: '/ 的 default', expire: '过期时间', hours: '小时', expireFault: '请输入小时数',
    except: '排除客户端 ID', send: '发送', explain: '预览', lookOnly: '当前角色只能预览，不能发送', sent: '消息推送成功 id: {id}', sentTo: '消息 {id} 已推送到 {room}', report: '查看推送报告',
    templates: '模板', templatesText: '保存在此浏览器', templateName: '模板名称', templateSaved: '模板已保存', templateFull: '浏览器无法再保存', templateRemove: '删除 {name}',
    noTemplates: '暂无模板', explained: '{n} 台设备的预期结果', explainedText: '没有保存或发送任何内容。', stale: '消息已修改，请重新预览。', nobody: '没有设备', outcome: '结果', rule: '原因',
    expires: '将过期于',
  },
  outcome: { socket: '在线', inbox: '收件箱', apns: 'APNs', nothing: '无' },
  rule: {
    except: '被 except 排除', online: '已连接并在房间中', not_kept: '不在线，且消息不离线保存', lost: '模拟数据丢失', platform: '该平台既无收件箱也无推送服务',
    unknown: '已没有记录', optout: '已关闭离线投递', muted: '已静音此房间', live: '刚刚连接', no_token: '没有设备令牌', no_credentials: '没有可用的 APNs 配置',
    inbox: '不在线；该平台有收件箱', apns: '不在线，有设备令牌',
  },
  messages: {
    text: '此命名空间的推送，最新在前。', id: 'ID', room: '房间', data: '推送数据', sent: '推送时间', offline: '离线保存', written: '已写入', acked: '已确认', search: '数据中的文字',
    from: '开始时间', to: '结束时间', reset: '重置', none: '没有找到消息', arrival: '到达率 {p}', per: { minute: '本分钟推送', hour: '本小时推送', day: '今日推送' },
  },
  message: {
    live: '实时', arrival: '到达率', arrivalNote: '已确认 / 已写入', writtenNote: '个连接', ofApns: '已接受，共发送 {n}', picture: '各平台结果', pictureText: '房间的全部设备',
    partial: '前 {n} 台设备', devices: '设备', record: '消息', expires: '过期时间', fates: '逐台设备', fatesText: '房间的每台设备以及消息的结果', state: '状态', at: '时间', after: '用时', reason: '原因',
  },
  receipt: {
    acked: { name: '已确认', text: '设备已确认' },
    online: { name: '已写入', text: '推送前已连接，尚未确认' },
    inbox: { name: '收件箱中', text: '等待设备领取' },
    delivered: { name: '已送达', text: '从收件箱领取并确认' },
    apns: { name: 'APNs', text: 'APNs 已接受' },
    apns_failed: { name: 'APNs 拒绝', text: 'APNs 拒绝，或没有凭证' },
    no_token: { name: '无令牌', text: '设备没有 APNs 令牌' },
    muted: { name: '已静音', text: '设备已静音此房间' },
    optout: { name: '已退订', text: '设备不接收离线消息' },
    expired: { name: '已放弃', text: '离线处理已放弃' },
    live: { name: '直送', text: '已发送到新连接；若未确认则转 APNs' },
    pending: { name: '待定', text: '尚未决定' },
    excepted: { name: '已排除', text: '被 except 排除' },
    missed: { name: '未收到', text: '未连接，也没有为其保存' },
  },
  sim: {
    text: '页面中的真实客户端：像应用一样连接、加入、接收和确认。', generation: '客户端', many: '数量', activity: '上线/下线提醒', websocket: '仅 WebSocket', extra: '更多参数（JSON）', add: '上线', removeAll: '全部移除',
    none: '还没有模拟客户端', online: '上线', offline: '下线', drop: '断开连接', pushMe: '推送给它', remove: '移除', autoAck: '自动确认', ackDelay: '延迟', rooms: '房间，逗号分隔', join: '加入房间',
    leave: '离开房间', messages: '消息（{n}）', log: '日志（{n}）', events: '事件', noMessages: '还没有消息', inbox: '收件箱', acked: '已确认', ack: '确认', kind: '显示', clear: '清空',
    kinds: { in: '接收', out: '发送', state: '连接', fault: '错误' }, info: 'info', readInfo: '查看信息', setInfo: '设置信息', event: '任意事件', eventName: '事件名', emit: '发送',
    answers: '响应显示在日志中。', recovered: '已恢复',
  },
}

export default zh
