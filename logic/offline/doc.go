// Package offline brings a message with leaveMessage to the devices that have
// not acked it within worker_message_timeout: iOS devices by a push service,
// others by their inbox, and those that are connected again at once.
//
// A Handler works on one job of queue.Offline, a message id, at a time; any
// number of calls may run side by side, in any number of processes. It owns no
// goroutine. Everything it decides for a device is kept as that device's fate
// (push.Fate) before the job ends, so that a job that runs again, because its
// worker was killed or the push service was away, repeats nothing but what was
// under way in that moment.
//
// The audience of a room is walked in steps of a few hundred devices; neither
// memory nor the time of any store operation grows with the room.
//
// It imports the domain packages, internal/queue and logic/offline/provider,
// and declares the Store it needs.
package offline
