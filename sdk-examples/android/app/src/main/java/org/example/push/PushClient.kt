package org.example.push

import io.socket.client.Ack
import io.socket.client.IO
import io.socket.client.Manager
import io.socket.client.Socket
import java.util.concurrent.Executors
import java.util.concurrent.TimeUnit
import kotlin.random.Random
import org.json.JSONArray
import org.json.JSONObject

/** Who this device is. [uuid] is made once per installation and never changes. */
data class Identity(val userid: String, val uuid: String)

/** What the app does with what arrives. Called on the socket's event thread; an exception leaves a message unconfirmed. */
interface PushListener {
    fun onReady(clientId: String)
    fun onMessage(id: Long, room: String, pushData: Any, late: Boolean)
    fun onLost(count: Int)
    fun onMembership(room: String, joined: Boolean)
    fun onPeople(userid: String, room: String, here: Boolean)
    fun onDown(reason: String, final: Boolean)
}

/**
 * One device at lightpush: connects, joins its rooms, drops repeats, confirms, comes back. [token] is asked for before
 * every connect on a background thread; it may block and returns null when the namespace needs none.
 */
class PushClient(
    url: String,
    namespace: String,
    identity: Identity,
    private val rooms: List<String>,
    private val seen: Seen,
    private val listener: PushListener,
    private val token: () -> String? = { null },
) {
    private val auth = mutableMapOf<String, String>() // read by the client at every connect
    private val worker = Executors.newSingleThreadScheduledExecutor()
    private var pause = FIRST_PAUSE
    private var closing = "" // why the server ends the connection, when it says so

    private val socket: Socket = IO.socket(
        url + namespace,
        IO.Options().apply {
            transports = arrayOf("websocket")
            query = "uuid=${encode(identity.uuid)}&userid=${encode(identity.userid)}&platform=android"
            auth = this@PushClient.auth
            forceNew = true
            reconnectionDelayMax = 30_000
        },
    )

    init {
        socket.on(Socket.EVENT_CONNECT) { onConnect() }
        socket.on(Socket.EVENT_CONNECT_ERROR) { onConnectError(it.firstOrNull()) }
        socket.on(Socket.EVENT_DISCONNECT) { onDisconnect(it.firstOrNull().toString()) }
        socket.io().on(Manager.EVENT_RECONNECT_ATTEMPT) { refreshToken() }
        socket.on("ok") { listener.onReady((it[0] as JSONObject).getString("clientId")) }
        socket.on("push") { args -> confirmed(args) { message(it as JSONObject, late = false) } }
        socket.on("offlineMessage") { args -> confirmed(args) { messages(it as JSONArray) } }
        socket.on("inboxDropped") { args -> confirmed(args) { listener.onLost((it as JSONObject).getInt("dropped")) } }
        socket.on("tokenExpiring") { worker.execute { refresh() } }
        socket.on("closing") { closing = (it[0] as JSONObject).getString("reason") }
        socket.on("joinRoom") { listener.onMembership((it[0] as JSONObject).getString("targetRoom"), joined = true) }
        socket.on("leaveRoom") { listener.onMembership((it[0] as JSONObject).getString("targetRoom"), joined = false) }
        socket.on("peopleJoin") { people(it[0] as JSONObject, here = true) }
        socket.on("peopleLeave") { people(it[0] as JSONObject, here = false) }
    }

    fun start() {
        worker.execute {
            refreshToken()
            socket.connect()
        }
    }

    fun stop() {
        worker.shutdownNow()
        socket.disconnect()
        socket.off()
    }

    /** Sends a message to everybody in [room]; [answer] gets its id, or the server's refusal. */
    fun push(room: String, data: JSONObject, answer: (id: Long?, refusal: String?) -> Unit) {
        val message = JSONObject().put("room", room).put("pushData", data)
        socket.emit("push", arrayOf<Any>(message), Ack { args ->
            val result = args[0] as JSONObject
            if (result.getInt("status") == 200) answer(result.getLong("id"), null) else answer(null, result.getString("msg"))
        })
    }

    // This client continues no sessions: rooms are joined at every connect, and the inbox has what was missed.
    private fun onConnect() {
        pause = FIRST_PAUSE
        closing = ""
        if (rooms.isEmpty()) return
        socket.emit("joinRoom", arrayOf<Any>(JSONArray(rooms)), Ack { args ->
            val answer = args[0] as JSONObject
            if (answer.getInt("status") != 200) listener.onDown("not joined: ${answer.getString("msg")}", false)
        })
    }

    /** Handles the first argument, then confirms: what could not be handled must come again. */
    private fun confirmed(args: Array<out Any?>, handle: (Any) -> Unit) {
        try {
            handle(requireNotNull(args[0]))
        } catch (e: Exception) {
            listener.onDown("not confirmed: ${e.message}", false)
            return
        }
        (args.last() as? Ack)?.call()
    }

    private fun messages(list: JSONArray) {
        for (i in 0 until list.length()) message(list.getJSONObject(i), late = true)
    }

    private fun message(m: JSONObject, late: Boolean) {
        val id = m.getString("id").toLong() // a number in push, a text in offlineMessage
        if (seen.add(id)) listener.onMessage(id, m.getString("room"), m.get("pushData"), late)
    }

    private fun people(who: JSONObject, here: Boolean) {
        listener.onPeople(who.getString("userid"), who.getString("room"), here)
    }

    private fun onConnectError(error: Any?) {
        if (socket.isActive) { // the network: the client tries again by itself
            listener.onDown("unreachable", false)
            return
        }
        val text = (error as? JSONObject)?.optString("message") ?: error.toString()
        val again = TEMPORARY.matches(text) || (auth.containsKey("token") && NEEDS_TOKEN.containsMatchIn(text))
        listener.onDown(text, final = !again)
        if (again) retry()
    }

    private fun onDisconnect(reason: String) {
        // A newer connection of this device has taken over, or the namespace is offline: coming back would be a tug-of-war.
        // An expired token is replaced.
        val byServer = reason == "io server disconnect"
        val expired = byServer && closing == "token expired" && auth.containsKey("token")
        listener.onDown(closing.ifEmpty { reason }, final = byServer && !expired)
        if (expired) retry()
    }

    /** In namespaces whose tokens expire: a new one in time keeps the connection. On the worker. */
    private fun refresh() {
        refreshToken()
        socket.emit("refresh", arrayOf<Any>(JSONObject(auth as Map<*, *>)), Ack { args ->
            val answer = args[0] as JSONObject
            if (answer.getInt("status") != 200) listener.onDown("not refreshed: ${answer.getString("msg")}", false)
        })
    }

    private fun retry() {
        if (worker.isShutdown) return
        worker.schedule({
            refreshToken()
            socket.connect()
        }, pause + Random.nextLong(pause / 2), TimeUnit.MILLISECONDS)
        pause = minOf(pause * 2, LONGEST_PAUSE)
    }

    private fun refreshToken() {
        runCatching(token).getOrNull()?.let { auth["token"] = it } // without a new one the old one is tried
    }

    private companion object {
        const val FIRST_PAUSE = 1_000L
        const val LONGEST_PAUSE = 60_000L
        val TEMPORARY = Regex("handshake fail|service unavailable|namespaces are not loaded yet|token keys unavailable|too many connections .*")
        val NEEDS_TOKEN = Regex("^(token |handshake fail statusCode: 40)")
        fun encode(text: String): String = java.net.URLEncoder.encode(text, "UTF-8")
    }
}
