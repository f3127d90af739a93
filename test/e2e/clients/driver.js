// Drives the official Socket.IO clients for the end-to-end tests. Commands come in as JSON lines on stdin, what the
// clients see goes out as JSON lines on stdout; every decision is taken by the Go side. The protocol is described in
// ../driver_test.go; driver.py speaks the same one for python-socketio.
'use strict';

const readline = require('node:readline');

const LIBS = {
  v2: require('socket.io-client-v2'),
  v3: require('socket.io-client-v3'),
  v4: require('socket.io-client-v4'),
};
const EVENTS = ['ok', 'push', 'offlineMessage', 'inboxDropped', 'joinRoom', 'leaveRoom', 'peopleJoin', 'peopleLeave', 'tokenExpiring', 'closing'];

const clients = new Map();

function report(c, ev, fields) {
  process.stdout.write(JSON.stringify({ c, ev, ...fields }) + '\n');
}

function transportOf(socket) {
  return socket.io.engine ? socket.io.engine.transport.name : '';
}

function emit(c, socket, { event, args = [], ack }) {
  if (ack) socket.emit(event, ...args, (...answer) => report(c, 'ack', { tag: ack, args: answer }));
  else socket.emit(event, ...args);
}

// text flattens what the generations hand to connect_error and error: v2 gives a string or an Error, v3 and v4 an Error.
function text(err) {
  return err && err.message !== undefined ? String(err.message) : String(err);
}

function watchUpgrade(c, socket) {
  const engine = socket.io.engine;
  if (engine) engine.on('upgrade', (transport) => report(c, 'upgrade', { transport: transport.name }));
}

function open(cmd) {
  const { c, lib, url, namespace, opts = {}, onConnect = [], pushAck, offlineAck } = cmd;
  const socket = LIBS[lib](url + namespace, { forceNew: true, reconnection: false, ...opts });
  clients.set(c, socket);
  watchUpgrade(c, socket);
  socket.on('connect', () => {
    // Emitted here, in the connect handler and before ok: the documented way to use the service.
    for (const one of onConnect) emit(c, socket, one);
    report(c, 'connect', { transport: transportOf(socket), recovered: socket.recovered === true });
  });
  socket.on('connect_error', (err) => report(c, 'connect_error', { message: text(err) }));
  socket.on('error', (err) => report(c, 'error', { message: text(err) }));
  socket.on('disconnect', (reason) => report(c, 'disconnect', { reason }));
  for (const name of EVENTS) {
    socket.on(name, (...args) => {
      const answer = typeof args[args.length - 1] === 'function' ? args.pop() : null;
      report(c, 'event', { name, args, canAck: answer !== null });
      if (name === 'offlineMessage') {
        if (offlineAck === 'native' && answer) answer();
        if (offlineAck === 'event') for (const { id } of args[0]) socket.emit('ackPush', { id });
      }
      if (name !== 'push') return;
      if (pushAck === 'native' && answer) answer();
      // Twice, once with the id as text: a device counts once.
      if (pushAck === 'event') socket.emit('ackPush', { id: args[0].id }).emit('ackPush', { id: String(args[0].id) });
    });
  }
}

const OPS = {
  open,
  emit: (cmd) => emit(cmd.c, clients.get(cmd.c), cmd),
  transport: (cmd) => report(cmd.c, 'transport', { transport: transportOf(clients.get(cmd.c)) }),
  close: (cmd) => {
    // A client may be closed that another one of its name has replaced or that was closed before.
    clients.get(cmd.c)?.close();
    clients.delete(cmd.c);
  },
};

const lines = readline.createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const cmd = JSON.parse(line);
  OPS[cmd.op](cmd);
});
lines.on('close', () => {
  for (const socket of clients.values()) socket.close();
  process.exit(0);
});
report('', 'ready', {});
