"""Receives everything lightpush can send to a device: prints it, drops repeats, and confirms it.

Settings come from the environment; see README.md.
"""
import json
import os
import signal
import sys
import threading
import urllib.parse
import urllib.request

import socketio

URL = os.environ.get("PUSH_URL", "http://127.0.0.1:21314")
NS = os.environ.get("PUSH_NAMESPACE", "/demo")
USER = os.environ.get("PUSH_USER", "bob")
UUID = os.environ.get("PUSH_UUID", "example-python")  # one per device, the same at every start
PLATFORM = os.environ.get("PUSH_PLATFORM", "android")  # android has an inbox for what comes while the device is away
ROOMS = [r for r in os.environ.get("PUSH_ROOMS", "news").split(",") if r]
STATE = os.environ.get("PUSH_STATE", f"seen-{UUID}.json")
TEMPORARY = ("handshake fail", "service unavailable", "namespaces are not loaded yet", "token keys unavailable")

sio = socketio.Client(reconnection_delay_max=int(os.environ.get("PUSH_RETRY_MAX", "5000")) / 1000, handle_sigint=False)
lock = threading.Lock()  # the library runs every handler on a thread of its own
ended = threading.Event()
exit_code = 0
closing = ""  # why the server ends the connection, when it says so


def say(*words):
    sys.stdout.write(" ".join(str(w) for w in words) + "\n")
    sys.stdout.flush()


def end(code):
    global exit_code
    exit_code = code
    ended.set()


class Seen:
    """Which messages were handled, also over restarts: they come at least once, and the id tells a repeat."""

    KEEP = 1000

    def __init__(self, file):
        self.file = file
        try:
            with open(file, encoding="utf-8") as f:
                self.ids = set(json.load(f))
        except FileNotFoundError:
            self.ids = set()

    def add(self, id):
        """False for a repeat. It is on disk when this returns, so that an ack may follow."""
        id = int(id)  # a number in push, a text in offlineMessage
        if id in self.ids:
            return False
        self.ids = set(sorted(self.ids | {id})[-self.KEEP:])
        with open(self.file + ".new", "w", encoding="utf-8") as f:
            json.dump(sorted(self.ids), f)
        os.replace(self.file + ".new", self.file)
        return True


seen = Seen(STATE)


def handle(kind, message):
    """Call it with the lock held."""
    if not seen.add(message["id"]):
        say(f"repeat #{message['id']}")
        return
    data = json.dumps(message["pushData"], separators=(",", ":"), ensure_ascii=False)
    say(f"{kind} #{message['id']} in {message['room']}: {data}")


# python-socketio answers an event when its handler returns, and only then: that is the receipt. A handler that raises
# confirms nothing, and the message comes again.
@sio.on("push", namespace=NS)
def push(message):
    with lock:
        handle("push", message)


@sio.on("offlineMessage", namespace=NS)
def offline_message(messages):
    with lock:
        for message in messages:
            handle("inbox", message)


@sio.on("inboxDropped", namespace=NS)
def inbox_dropped(data):
    say(f"lost {data['dropped']} of a full inbox")  # an app would now ask its business server for the history


def joined(answer):
    say(f"joined {','.join(ROOMS)}" if answer["status"] == 200 else f"not joined: {answer['msg']}")


@sio.on("connect", namespace=NS)
def connect():
    if ROOMS:  # at every connect: this library does not continue sessions
        sio.emit("joinRoom", ROOMS, namespace=NS, callback=joined)


@sio.on("ok", namespace=NS)
def ok(me):
    say("ready as", me["clientId"])


@sio.on("tokenExpiring", namespace=NS)
def token_expiring(_):
    """In namespaces whose tokens expire: a new one in time keeps the connection."""
    sio.emit("refresh", token(), namespace=NS, callback=refreshed)


def refreshed(answer):
    say("token refreshed" if answer["status"] == 200 else f"not refreshed: {answer['msg']}")


@sio.on("closing", namespace=NS)
def on_closing(data):
    global closing
    closing = data["reason"]
    say("closing:", closing)


@sio.on("joinRoom", namespace=NS)
def put_into(data):
    say("put into", data["targetRoom"])


@sio.on("leaveRoom", namespace=NS)
def taken_out(data):
    say("taken out of", data["targetRoom"])


@sio.on("peopleJoin", namespace=NS)
def people_join(who):
    say(f"{who['userid']} came to {who['room']}")


@sio.on("peopleLeave", namespace=NS)
def people_leave(who):
    say(f"{who['userid']} {'went offline in' if who['clientOffline'] else 'left'} {who['room']}")


@sio.on("offset", namespace=NS)
def offset(_):
    """For libraries that continue sessions; nothing to do here."""


@sio.on("connect_error", namespace=NS)
def connect_error(error):
    message = error.get("message", error) if isinstance(error, dict) else error
    say("refused:", message)
    text = str(message)
    retry = text in TEMPORARY or text.startswith("too many connections")
    if "PUSH_TOKEN_URL" in os.environ:  # a new token may help
        retry = retry or text.startswith(("token ", "handshake fail statusCode: 40"))
    if not retry:
        end(1)


@sio.on("disconnect", namespace=NS)
def disconnect(*reason):
    say("disconnected:", *reason)


def token():
    """A new one for every connect, the automatic ones too."""
    if os.environ.get("PUSH_TOKEN"):
        return {"token": os.environ["PUSH_TOKEN"]}
    if not os.environ.get("PUSH_TOKEN_URL"):
        return {}
    query = urllib.parse.urlencode({"userid": USER})
    with urllib.request.urlopen(f"{os.environ['PUSH_TOKEN_URL']}?{query}", timeout=5) as answer:
        return {"token": json.load(answer)["token"]}


def keep_connected():
    query = {"uuid": UUID, "userid": USER, "platform": PLATFORM}
    if os.environ.get("PUSH_ANNOUNCE"):
        query["activityBroadcast"] = "true"
    pause = 1.0
    while not ended.is_set():
        try:
            sio.connect(f"{URL}?{urllib.parse.urlencode(query)}", auth=token, namespaces=[NS], wait_timeout=10)
            sio.wait()  # the library comes back by itself after a broken connection
            if closing != "token expired" or "PUSH_TOKEN_URL" not in os.environ:
                end(0)  # by the server: a newer connection of this device, or the namespace is offline
        except (socketio.exceptions.ConnectionError, OSError) as err:
            say("not connected:", err)
            sio.disconnect()
            ended.wait(pause)
            pause = min(pause * 2, 60)


def main():
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end(0))
    threading.Thread(target=keep_connected, daemon=True).start()
    ended.wait()
    sio.disconnect()
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
