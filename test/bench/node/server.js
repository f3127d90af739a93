// The benchmark's application (see test/bench/app) on Node's socket.io, with its default engine, ws. Commands are JSON
// lines on stdin, answers JSON lines on stdout. With "pubsub URL" or "streams URL" as arguments it is a node of a cluster.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { PerformanceObserver } from "node:perf_hooks";
import { createInterface } from "node:readline";
import { Server } from "socket.io";
import { onRedis } from "./cluster.js";

const namespace = "/bench";
const ok = { status: 200, msg: "ok" };
const counters = { sockets: 0, acks: 0, events: 0, misordered: 0, troubles: 0 };

const http = createServer();
const options = { pingInterval: 25_000, pingTimeout: 20_000, allowEIO3: true, cors: { origin: "*" } };
const [adapter, redis] = process.argv.slice(2);
if (adapter) Object.assign(options, await onRedis(adapter, redis, () => counters.troubles++));
const io = new Server(http, options);
const app = io.of(namespace);

app.on("connection", (socket) => {
  counters.sockets++;
  const { userid } = socket.handshake.query;
  socket.join(`user_${userid}`);
  socket.on("disconnect", () => counters.sockets--);
  socket.on("joinRoom", (rooms, ack) => {
    socket.join(rooms);
    ack(ok);
  });
  socket.on("leaveRoom", (rooms, ack) => {
    for (const room of rooms) socket.leave(room);
    ack(ok);
  });
  socket.on("ackPush", () => counters.acks++);
  socket.on("n", (n, ack) => {
    if (counters.events++ !== n) counters.misordered++;
    ack(ok);
  });
  socket.emit("ok", { clientId: userid });
});

let pauses = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) pauses.push(entry.duration);
}).observe({ entryTypes: ["gc"] });

let lastID = 0;
function emit(room, n, pad) {
  app.to(room).emit("push", {
    id: ++lastID,
    namespace,
    room,
    pushData: { n, t: Number(process.hrtime.bigint()), pad: "x".repeat(pad) },
    sendDate: Date.now(),
  });
}

// pace emits count messages, rate per second, to a room or to many in turn; it catches up when it is late.
function pace({ count, rate, room, first = 0, rooms = 0, pad = 0 }) {
  return new Promise((resolve) => {
    const start = performance.now();
    let sent = 0;
    const step = () => {
      const due = Math.min(count, Math.floor(((performance.now() - start) * rate) / 1000) + 1);
      for (; sent < due; sent++) {
        if (rooms > 0) emit(room + (first + (sent % rooms)), Math.floor(sent / rooms), pad);
        else emit(room, sent, pad);
      }
      if (sent < count) setTimeout(step, 1);
      else resolve();
    };
    step();
  });
}

async function carryOut(command) {
  const first = lastID + 1;
  switch (command.op) {
    case "emit":
      for (let n = 0; n < command.count; n++) emit(command.room, n, command.pad ?? 0);
      break;
    case "rate":
      await pace(command);
      break;
    case "reset":
      Object.assign(counters, { acks: 0, events: 0, misordered: 0 });
      break;
    case "stats":
      break;
    default:
      return { error: `unknown command ${command.op}` };
  }
  const reply = { first_id: first, ...counters };
  if (command.op === "stats") [reply.gc_pauses_ms, pauses] = [pauses, []];
  return reply;
}

const { version } = createRequire(import.meta.url)("socket.io/package.json");
http.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => {
  console.log(JSON.stringify({ addr: `127.0.0.1:${http.address().port}`, version }));
  const lines = createInterface({ input: process.stdin });
  let turn = Promise.resolve();
  lines.on("line", (line) => {
    turn = turn
      .then(() => carryOut(JSON.parse(line)))
      .catch((error) => ({ error: String(error) }))
      .then((reply) => console.log(JSON.stringify(reply)));
  });
  lines.on("close", () => process.exit(0));
});
