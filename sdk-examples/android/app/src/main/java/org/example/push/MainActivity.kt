package org.example.push

import android.Manifest
import android.app.Activity
import android.os.Build
import android.os.Bundle
import android.widget.TextView

/** Asks for the permission to notify and starts the service; everything else happens there. */
class MainActivity : Activity() {
    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        val me = PushService.identity(this)
        setContentView(TextView(this).apply {
            textSize = 18f
            setPadding(48, 96, 48, 48)
            text = "${BuildConfig.PUSH_NAMESPACE}#${me.userid}#android-${me.uuid}"
        })
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU) {
            requestPermissions(arrayOf(Manifest.permission.POST_NOTIFICATIONS), 1)
        }
        PushService.start(this)
    }
}
