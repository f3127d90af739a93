"""Drives python-socketio for the end-to-end tests, with the JSON-lines protocol of ../driver_test.go.

python-socketio answers every event that asks for a native ack by itself, so pushAck "native" needs no code here.
"""
import json
import os
import sys
import threading

import socketio

EVENTS = ["ok", "push", "offlineMessage", "joinRoom", "leaveRoom", "peopleJoin", "peopleLeave"]

clients = {}
stdout_lock = threading.Lock()


def report(c, ev, **fields):
    with stdout_lock:
        sys.stdout.write(json.dumps({"c": c, "ev": ev, **fields}) + "\n")
        sys.stdout.flush()


def text(data):
    return str(data["message"]) if isinstance(data, dict) and "message" in data else str(data)


class Client:
    def __init__(self, cmd):
        self.c, self.cmd, self.namespace = cmd["c"], cmd, cmd["namespace"]
        self.sio = socketio.Client(reconnection=False)
        on = lambda name, fn: self.sio.on(name, fn, namespace=self.namespace)
        on("connect", self.connected)
        on("connect_error", lambda data=None: report(self.c, "connect_error", message=text(data)))
        on("disconnect", lambda: report(self.c, "disconnect", reason=""))
        for name in EVENTS:
            on(name, self.handler(name))

    def connected(self):
        # Emitted here, in the connect handler and before ok: the documented way to use the service.
        for one in self.cmd.get("onConnect") or []:
            self.emit(one)
        report(self.c, "connect", transport=self.sio.transport())

    def handler(self, name):
        def handle(*args):
            report(self.c, "event", name=name, args=list(args), canAck=False)
            if name == "push" and self.cmd.get("pushAck") == "event":
                # Twice, once with the id as text: a device counts once.
                for id in (args[0]["id"], str(args[0]["id"])):
                    self.sio.emit("ackPush", {"id": id}, namespace=self.namespace)

        return handle

    def emit(self, one):
        args, tag = one.get("args") or [], one.get("ack")
        callback = (lambda *answer: report(self.c, "ack", tag=tag, args=list(answer))) if tag else None
        self.sio.emit(one["event"], tuple(args), namespace=self.namespace, callback=callback)

    def open(self):
        opts = self.cmd.get("opts") or {}
        query = "&".join("%s=%s" % pair for pair in (opts.get("query") or {}).items())
        try:
            self.sio.connect(
                self.cmd["url"] + ("?" + query if query else ""),
                transports=opts.get("transports"),
                namespaces=[self.namespace],
                auth=opts.get("auth"),
                socketio_path=opts.get("path", "/socket.io/").strip("/"),
                wait=False,
            )
        except socketio.exceptions.ConnectionError as err:
            report(self.c, "connect_error", message=str(err))


def run(cmd):
    op, c = cmd["op"], cmd["c"]
    if op == "open":
        clients[c] = Client(cmd)
        clients[c].open()
    elif op == "emit":
        clients[c].emit(cmd)
    elif op == "transport":
        report(c, "transport", transport=clients[c].sio.transport())
    elif op == "close":
        clients.pop(c).sio.disconnect()


report("", "ready")
for line in sys.stdin:
    run(json.loads(line))
for client in list(clients.values()):
    client.sio.disconnect()
os._exit(0)
