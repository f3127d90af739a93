package org.example.push

import android.app.Notification
import android.app.NotificationChannel
import android.app.NotificationManager
import android.app.Service
import android.content.Context
import android.content.Intent
import android.content.pm.ServiceInfo
import android.os.Build
import android.os.IBinder
import androidx.core.app.NotificationCompat
import androidx.core.app.ServiceCompat
import androidx.core.content.ContextCompat
import java.util.UUID

/** Keeps the connection while the app is in the background, and shows what arrives. Android restarts it when it was killed. */
class PushService : Service(), PushListener {
    private var client: PushClient? = null
    private lateinit var notifications: NotificationManager

    override fun onCreate() {
        super.onCreate()
        notifications = getSystemService(NotificationManager::class.java)
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.O) {
            notifications.createNotificationChannel(
                NotificationChannel(CONNECTION, getString(R.string.channel_connection), NotificationManager.IMPORTANCE_LOW))
            notifications.createNotificationChannel(
                NotificationChannel(MESSAGES, getString(R.string.channel_messages), NotificationManager.IMPORTANCE_HIGH))
        }
        val type = if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.UPSIDE_DOWN_CAKE) {
            ServiceInfo.FOREGROUND_SERVICE_TYPE_REMOTE_MESSAGING
        } else {
            0
        }
        ServiceCompat.startForeground(this, CONNECTION_ID, connection(getString(R.string.connecting)), type)
    }

    override fun onStartCommand(intent: Intent?, flags: Int, startId: Int): Int {
        if (client == null) {
            client = PushClient(
                BuildConfig.PUSH_URL, BuildConfig.PUSH_NAMESPACE, identity(this), listOf("news"),
                Seen(getSharedPreferences("seen", Context.MODE_PRIVATE)), this,
            ).also { it.start() }
        }
        return START_STICKY
    }

    override fun onDestroy() {
        client?.stop()
        client = null
        super.onDestroy()
    }

    override fun onBind(intent: Intent?): IBinder? = null

    override fun onReady(clientId: String) = show(getString(R.string.listening))

    override fun onMessage(id: Long, room: String, pushData: Any, late: Boolean) {
        val notification = NotificationCompat.Builder(this, MESSAGES)
            .setSmallIcon(android.R.drawable.ic_dialog_email)
            .setContentTitle(room)
            .setContentText(pushData.toString())
            .setAutoCancel(true)
            .build()
        notifications.notify("message", id.hashCode(), notification)
    }

    // An app would now ask its business server for the history.
    override fun onLost(count: Int) = show(getString(R.string.lost, count))

    override fun onMembership(room: String, joined: Boolean) = show(if (joined) "+ $room" else "− $room")

    override fun onPeople(userid: String, room: String, here: Boolean) = show("$room: ${if (here) "+" else "−"} $userid")

    override fun onDown(reason: String, final: Boolean) {
        show(reason)
        if (final) stopSelf()
    }

    private fun show(text: String) = notifications.notify(CONNECTION_ID, connection(text))

    private fun connection(text: String): Notification = NotificationCompat.Builder(this, CONNECTION)
        .setSmallIcon(android.R.drawable.stat_notify_sync_noanim)
        .setContentTitle(getString(R.string.app_name))
        .setContentText(text)
        .setOngoing(true)
        .build()

    companion object {
        private const val CONNECTION = "connection"
        private const val MESSAGES = "messages"
        private const val CONNECTION_ID = 1

        fun start(context: Context) = ContextCompat.startForegroundService(context, Intent(context, PushService::class.java))

        /** The uuid of this installation, made once. */
        fun identity(context: Context): Identity {
            val store = context.getSharedPreferences("identity", Context.MODE_PRIVATE)
            val uuid = store.getString("uuid", null)
                ?: UUID.randomUUID().toString().also { store.edit().putString("uuid", it).apply() }
            return Identity(store.getString("userid", null) ?: "andy", uuid)
        }
    }
}
