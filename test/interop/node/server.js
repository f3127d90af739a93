// The application of peers_test.go on Node's own Socket.IO server. It prints the ports of its servers, one for each
// profile, and ends with its standard input.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { Server } from "socket.io";

const profiles = {
  plain: { allowEIO3: true, cors: { origin: true, credentials: true } },
  tight: {
    allowEIO3: true,
    pingInterval: 400,
    pingTimeout: 300,
    upgradeTimeout: 300,
    connectTimeout: 300,
    maxHttpBufferSize: 1000,
  },
  modern: {},
};

function application(namespace) {
  namespace.on("connection", (socket) => {
    socket.on("echo", (...args) => {
      const ack = args.at(-1);
      if (typeof ack === "function") ack(...args.slice(0, -1));
      else socket.emit("echo", ...args);
    });
    socket.on("ask", (...args) => {
      socket.emit("question", ...args, (...answers) => socket.emit("answered", ...answers));
    });
    socket.on("leave", () => socket.disconnect());
    socket.on("leave all", () => socket.disconnect(true));
  });
}

function start(options) {
  const http = createServer();
  const io = new Server(http, { pingInterval: 25_000, pingTimeout: 20_000, ...options });
  application(io.of("/"));
  application(io.of("/app"));
  io.of("/auth").on("connection", (socket) => {
    const { a, z } = { ...socket.handshake.query, ...socket.handshake.auth };
    socket.emit("auth", a ?? "", z ?? "");
  });
  io.of("/refuse").use((socket, next) => next(new Error("no way")));
  io.of("/refuse-data").use((socket, next) => {
    const error = new Error("no way");
    error.data = { k: 1 };
    next(error);
  });
  return new Promise((resolve) => {
    http.listen({ host: "127.0.0.1", port: 0 }, () => resolve(http.address().port));
  });
}

const ports = {};
for (const [name, options] of Object.entries(profiles)) ports[name] = await start(options);
const { version } = createRequire(import.meta.url)("socket.io/package.json");
console.log(JSON.stringify({ version, ports }));
process.stdin.resume().on("end", () => process.exit(0));
