// Receives everything lightpush can send to a device: prints it, drops repeats, and confirms it. Settings come from the
// environment; see README.md.
import { io } from 'socket.io-client';
import { Seen } from './seen.js';

const env = process.env;
const url = env.PUSH_URL ?? 'http://127.0.0.1:21314';
const namespace = env.PUSH_NAMESPACE ?? '/demo';
const userid = env.PUSH_USER ?? 'joe';
const uuid = env.PUSH_UUID ?? 'example-node'; // one per device, the same at every start
const platform = env.PUSH_PLATFORM ?? 'android'; // android has an inbox for what comes while the device is away
const rooms = (env.PUSH_ROOMS ?? 'news').split(',').filter(Boolean);
const seen = new Seen(env.PUSH_STATE ?? `seen-${uuid}.json`);

const query = { uuid, userid, platform };
if (env.PUSH_ANNOUNCE) query.activityBroadcast = 'true'; // the rooms of this device hear that it comes and goes

// auth is a function so that every connect, the automatic ones too, carries a token that is still valid.
const auth = async (set) => set(await token());
async function token() {
  if (env.PUSH_TOKEN) return { token: env.PUSH_TOKEN };
  if (!env.PUSH_TOKEN_URL) return {};
  try {
    const answer = await fetch(`${env.PUSH_TOKEN_URL}?userid=${encodeURIComponent(userid)}`, { signal: AbortSignal.timeout(5000) });
    return { token: (await answer.json()).token };
  } catch (err) {
    console.error('no token:', err.message); // the connect without one is refused, and tried again below
    return {};
  }
}

const socket = io(url + namespace, { query, auth, reconnectionDelayMax: Number(env.PUSH_RETRY_MAX ?? 5000) });
let pause = 1000;
let closing = '';

socket.on('connect', () => {
  pause = 1000;
  if (socket.recovered || rooms.length === 0) return; // the rooms of the session are back, and what was missed has come
  socket.emit('joinRoom', rooms, ({ status, msg }) => console.log(status === 200 ? `joined ${rooms}` : `not joined: ${msg}`));
});

socket.on('ok', ({ clientId }) => console.log('ready as', clientId));

function handle(kind, { id, room, pushData }) {
  if (!seen.add(id)) return console.log(`repeat #${id}`);
  console.log(`${kind} #${id} in ${room}: ${JSON.stringify(pushData)}`);
}

// done() is the receipt. It comes last: a message that could not be handled must come again.
socket.on('push', (message, done) => {
  handle('push', message);
  done();
});

// What waited in the inbox, oldest first; done() confirms all of the list.
socket.on('offlineMessage', (messages, done) => {
  for (const message of messages) handle('inbox', message);
  done();
});

socket.on('inboxDropped', ({ dropped }, done) => {
  console.log(`lost ${dropped} of a full inbox`); // an app would now ask its business server for the history
  done();
});

// The business system has put this device into a room, or taken it out.
socket.on('joinRoom', ({ targetRoom }) => console.log('put into', targetRoom));
socket.on('leaveRoom', ({ targetRoom }) => console.log('taken out of', targetRoom));

// In namespaces whose tokens expire: a new one in time keeps the connection.
socket.on('tokenExpiring', async () => {
  socket.emit('refresh', await token(), ({ status, msg }) => console.log(status === 200 ? 'token refreshed' : `not refreshed: ${msg}`));
});
socket.on('closing', ({ reason }) => {
  closing = reason; // why the disconnect that follows
  console.log('closing:', reason);
});

socket.on('peopleJoin', ({ userid, room }) => console.log(`${userid} came to ${room}`));
socket.on('peopleLeave', ({ userid, room, clientOffline }) =>
  console.log(`${userid} ${clientOffline ? 'went offline in' : 'left'} ${room}`));

const TEMPORARY = /^(handshake fail|service unavailable|namespaces are not loaded yet|token keys unavailable|too many connections .*)$/;
const TOKEN = /^(token |handshake fail statusCode: 40)/; // a new token may help

function connectLater() {
  setTimeout(() => socket.connect(), pause * (0.75 + Math.random() / 2));
  pause = Math.min(pause * 2, 60_000);
}

socket.on('connect_error', (err) => {
  console.error('refused or unreachable:', err.message);
  if (socket.active) return; // the network: the client tries again by itself
  const again = TEMPORARY.test(err.message) || (env.PUSH_TOKEN_URL && TOKEN.test(err.message));
  if (!again) process.exit(1); // refused for good: another try would be refused as well
  connectLater();
});

socket.on('disconnect', (reason) => {
  console.log('disconnected:', reason);
  if (reason !== 'io server disconnect') return; // the client comes back by itself
  if (closing === 'token expired' && env.PUSH_TOKEN_URL) return connectLater(); // with a new one
  process.exit(0); // a newer connection of this device has taken over, or the namespace is offline: no tug-of-war
});

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => { socket.disconnect(); process.exit(0); });
