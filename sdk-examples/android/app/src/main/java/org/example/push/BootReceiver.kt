package org.example.push

import android.content.BroadcastReceiver
import android.content.Context
import android.content.Intent

/** Connects again after the telephone was restarted. */
class BootReceiver : BroadcastReceiver() {
    override fun onReceive(context: Context, intent: Intent) {
        if (intent.action == Intent.ACTION_BOOT_COMPLETED) PushService.start(context)
    }
}
