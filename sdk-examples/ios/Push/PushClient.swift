import Foundation
import SocketIO

/// Who this device is. `uuid` is made once per installation and never changes.
struct Identity {
    let userid: String
    let uuid: String

    static func current(userid: String) -> Identity {
        let store = UserDefaults.standard
        let uuid = store.string(forKey: "uuid") ?? UUID().uuidString
        store.set(uuid, forKey: "uuid")
        return Identity(userid: userid, uuid: uuid)
    }
}

/// What the app does with what arrives; called on the main queue.
protocol PushListener: AnyObject {
    func pushReady(clientId: String)
    func pushMessage(id: Int64, room: String, pushData: Any, late: Bool)
    func pushLost(count: Int)
    func pushMembership(room: String, joined: Bool)
    func pushPeople(userid: String, room: String, here: Bool)
    func pushDown(reason: String, final: Bool)
}

/// One device at lightpush: connects, joins its rooms, drops repeats, confirms, comes back, and tells its device token.
/// `token` is asked for before a connect and answers nil when the namespace needs none.
final class PushClient {
    private static let temporary: Set<String> = [
        "handshake fail", "service unavailable", "namespaces are not loaded yet", "token keys unavailable",
    ]

    private let manager: SocketManager
    private let socket: SocketIOClient
    private let rooms: [String]
    private let seen: Seen
    private let token: (@escaping (String?) -> Void) -> Void
    private weak var listener: PushListener?
    private var deviceToken: String?
    private var pause: TimeInterval = 1
    private var stopped = true
    private var closing: String? // why the server ends the connection, when it says so

    init(
        url: URL, namespace: String, identity: Identity, rooms: [String], seen: Seen, listener: PushListener,
        token: @escaping (@escaping (String?) -> Void) -> Void = { $0(nil) }
    ) {
        manager = SocketManager(socketURL: url, config: [
            .forceWebsockets(true),
            .connectParams(["uuid": identity.uuid, "userid": identity.userid, "platform": "ios"]),
            .reconnectWait(1),
            .reconnectWaitMax(30),
            .handleQueue(.main),
        ])
        socket = manager.socket(forNamespace: namespace)
        self.rooms = rooms
        self.seen = seen
        self.listener = listener
        self.token = token
        handle()
    }

    func start() {
        stopped = false
        token { [weak self] token in
            guard let self, !self.stopped else { return }
            self.socket.connect(withPayload: token.map { ["token": $0] })
        }
    }

    /// Disconnects on purpose. Call it when the app goes to the background: from then on APNs has the messages.
    func stop() {
        stopped = true
        socket.disconnect()
    }

    /// The token of `didRegisterForRemoteNotifications`; the server keeps it in the record of this device.
    func register(deviceToken data: Data) {
        deviceToken = data.map { String(format: "%02x", $0) }.joined()
        sendDeviceToken()
    }

    /// Sends a message to everybody in a room; `answer` gets its id, or the server's refusal.
    func push(room: String, data: [String: Any], answer: @escaping (Int64?, String?) -> Void) {
        let message: [String: Any] = ["room": room, "pushData": data]
        socket.emitWithAck("push", message).timingOut(after: 10) { reply in
            let result = reply.first as? [String: Any]
            if result?["status"] as? Int == 200 {
                answer((result?["id"] as? NSNumber)?.int64Value, nil)
            } else {
                answer(nil, result?["msg"] as? String ?? "no answer")
            }
        }
    }

    /// Rooms whose messages are not sent to this device by APNs.
    func mute(_ add: [String], unmute remove: [String]) {
        socket.emitWithAck("apns", ["add": add, "remove": remove]).timingOut(after: 10) { _ in }
    }

    private func handle() {
        socket.on(clientEvent: .connect) { [weak self] _, _ in self?.connected() }
        socket.on(clientEvent: .error) { [weak self] data, _ in self?.failed(data) }
        socket.on(clientEvent: .disconnect) { [weak self] data, _ in
            guard let self else { return }
            self.listener?.pushDown(reason: self.closing ?? data.first as? String ?? "disconnected", final: false)
            if self.closing == "token expired" {
                self.retry() // with a new one
            }
        }
        socket.on("tokenExpiring") { [weak self] _, _ in self?.refresh() }
        socket.on("closing") { [weak self] data, _ in
            self?.closing = (data.first as? [String: Any])?["reason"] as? String
        }
        socket.on("ok") { [weak self] data, _ in
            let me = data.first as? [String: Any]
            self?.listener?.pushReady(clientId: me?["clientId"] as? String ?? "")
        }
        socket.on("push") { [weak self] data, ack in
            guard let self, let message = data.first as? [String: Any], self.message(message, late: false) else { return }
            ack.with() // the receipt, when the message was handled and remembered
        }
        socket.on("offlineMessage") { [weak self] data, ack in
            guard let self, let list = data.first as? [[String: Any]] else { return }
            if list.allSatisfy({ self.message($0, late: true) }) {
                ack.with()
            }
        }
        socket.on("inboxDropped") { [weak self] data, ack in
            let lost = data.first as? [String: Any]
            self?.listener?.pushLost(count: lost?["dropped"] as? Int ?? 0)
            ack.with()
        }
        socket.on("joinRoom") { [weak self] data, _ in self?.membership(data, joined: true) }
        socket.on("leaveRoom") { [weak self] data, _ in self?.membership(data, joined: false) }
        socket.on("peopleJoin") { [weak self] data, _ in self?.people(data, here: true) }
        socket.on("peopleLeave") { [weak self] data, _ in self?.people(data, here: false) }
    }

    // Rooms are joined at every connect, and the device token is told again: it may have changed meanwhile.
    private func connected() {
        pause = 1
        closing = nil
        if !rooms.isEmpty {
            socket.emitWithAck("joinRoom", rooms).timingOut(after: 10) { [weak self] reply in
                let answer = reply.first as? [String: Any]
                if answer?["status"] as? Int != 200 {
                    self?.listener?.pushDown(reason: "not joined: \(answer?["msg"] ?? "no answer")", final: false)
                }
            }
        }
        sendDeviceToken()
    }

    private func sendDeviceToken() {
        guard let deviceToken, socket.status == .connected else { return }
        let system = ProcessInfo.processInfo.operatingSystemVersionString
        let record: [String: Any] = ["device_token": deviceToken, "system": system]
        socket.emitWithAck("info", record).timingOut(after: 10) { [weak self] reply in
            let answer = reply.first as? [String: Any]
            if answer?["status"] as? Int != 200 {
                self?.listener?.pushDown(reason: "token not taken: \(answer?["msg"] ?? "no answer")", final: false)
            }
        }
    }

    /// True when the message was handled, now or before.
    private func message(_ message: [String: Any], late: Bool) -> Bool {
        let raw = message["id"] // a number in push, a text in offlineMessage
        guard let id = (raw as? NSNumber)?.int64Value ?? (raw as? String).flatMap(Int64.init),
              let room = message["room"] as? String, let pushData = message["pushData"] else { return false }
        if seen.add(id) {
            listener?.pushMessage(id: id, room: room, pushData: pushData, late: late)
        }
        return true
    }

    private func membership(_ data: [Any], joined: Bool) {
        guard let room = (data.first as? [String: Any])?["targetRoom"] as? String else { return }
        listener?.pushMembership(room: room, joined: joined)
    }

    private func people(_ data: [Any], here: Bool) {
        guard let who = data.first as? [String: Any], let userid = who["userid"] as? String, let room = who["room"] as? String
        else { return }
        listener?.pushPeople(userid: userid, room: room, here: here)
    }

    /// A refusal has the server's text; anything else is the network, and the manager tries again by itself.
    private func failed(_ data: [Any]) {
        guard let text = (data.first as? [String: Any])?["message"] as? String else {
            listener?.pushDown(reason: "\(data.first ?? "error")", final: false)
            return
        }
        let again = Self.temporary.contains(text) || text.hasPrefix("too many connections")
            || text.hasPrefix("token ") || text.hasPrefix("handshake fail statusCode: 40") // a new token may help
        listener?.pushDown(reason: text, final: !again)
        socket.disconnect()
        if again { retry() }
    }

    /// In namespaces whose tokens expire: a new one in time keeps the connection.
    private func refresh() {
        token { [weak self] token in
            guard let self, let token else { return }
            self.socket.emitWithAck("refresh", ["token": token]).timingOut(after: 10) { [weak self] reply in
                let answer = reply.first as? [String: Any]
                if answer?["status"] as? Int != 200 {
                    self?.listener?.pushDown(reason: "not refreshed: \(answer?["msg"] ?? "no answer")", final: false)
                }
            }
        }
    }

    private func retry() {
        guard !stopped else { return }
        DispatchQueue.main.asyncAfter(deadline: .now() + pause * .random(in: 1...1.5)) { [weak self] in
            guard let self, !self.stopped else { return }
            self.start() // asks for a new token
        }
        pause = min(pause * 2, 60)
    }
}
