// Adapters of Socket.IO on Redis, set up as their documentation shows. An error of Redis is counted, and printed once; it
// does not end the process.
import { createAdapter as pubsubAdapter } from "@socket.io/redis-adapter";
import { createAdapter as streamsAdapter } from "@socket.io/redis-streams-adapter";
import { createClient } from "redis";

async function connect(client, onTrouble) {
  client.on("error", onTrouble);
  await client.connect();
  return client;
}

// onRedis returns the options of a Server that is a node of a cluster. With streams it continues sessions, for as long as
// lightpush does by default; the adapter on Pub/Sub cannot.
export async function onRedis(adapter, url, count) {
  const seen = new Set();
  const onTrouble = (error) => {
    count();
    const text = String(error);
    if (!seen.has(text) && seen.size < 20) console.error(text);
    seen.add(text);
  };
  process.on("unhandledRejection", onTrouble);
  const client = await connect(createClient({ url }), onTrouble);
  switch (adapter) {
    case "pubsub":
      return { adapter: pubsubAdapter(client, await connect(client.duplicate(), onTrouble)) };
    case "streams":
      return { adapter: streamsAdapter(client), connectionStateRecovery: { maxDisconnectionDuration: 120_000 } };
  }
  throw new Error(`unknown adapter ${adapter}`);
}
