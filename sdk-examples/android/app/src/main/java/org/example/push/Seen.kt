package org.example.push

import android.content.SharedPreferences

/**
 * Remembers which messages were handled, also over restarts: they come at least once, and the id tells a repeat.
 * Called on one thread only, that of the socket's events.
 */
class Seen(private val store: SharedPreferences) {
    private val ids = sortedSetOf<Long>().apply {
        store.getString(KEY, "").orEmpty().split(',').mapNotNullTo(this) { it.toLongOrNull() }
    }

    /** False for a repeat. The id is on disk when this returns true, so that an ack may follow. */
    fun add(id: Long): Boolean {
        if (!ids.add(id)) return false
        while (ids.size > KEEP) ids.remove(ids.first()) // ids grow: the newest are those that can come again
        check(store.edit().putString(KEY, ids.joinToString(",")).commit()) { "message $id could not be remembered" }
        return true
    }

    private companion object {
        const val KEY = "ids"
        const val KEEP = 1000
    }
}
