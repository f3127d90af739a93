// Receives everything lightpush can send to a browser: shows it, drops repeats, and confirms it.
// In the address of the page: ?server=http://host:port&namespace=/demo&userid=joe&room=news&tokenUrl=…
const params = new URLSearchParams(location.search);
const server = params.get('server') ?? 'http://127.0.0.1:21314';
const namespace = params.get('namespace') ?? '/demo';
const userid = params.get('userid') ?? 'joe';
const room = params.get('room') ?? 'news';
const platform = params.get('platform') ?? 'web';
const tokenUrl = params.get('tokenUrl');

// One id per browser, kept: the server recognises the device when it comes back.
const uuid = localStorage.getItem('uuid') ?? 'web-' + Math.random().toString(36).slice(2);
localStorage.setItem('uuid', uuid);

// Messages come at least once; the id tells a repeat. The last 1,000 are kept over reloads.
function firstTime(id) {
  const seen = JSON.parse(localStorage.getItem('seen') ?? '[]');
  if (seen.includes(Number(id))) return false;
  seen.push(Number(id));
  localStorage.setItem('seen', JSON.stringify(seen.slice(-1000)));
  return true;
}

const state = document.getElementById('state');
const messages = document.getElementById('messages');

function show(text, kind = 'pre') {
  const line = document.createElement(kind === 'pre' ? 'pre' : 'p');
  if (kind !== 'pre') line.className = kind;
  line.textContent = text;
  messages.prepend(line);
}

function handle(kind, { id, room, pushData }) {
  if (!firstTime(id)) return show(`repeat #${id}`, 'note');
  show(`${kind} #${id} in ${room}: ${JSON.stringify(pushData)}`);
}

// A function, so that every connect, the automatic ones too, carries a token that is still valid.
async function auth(set) {
  if (!tokenUrl) return set({});
  try {
    const answer = await fetch(`${tokenUrl}?userid=${encodeURIComponent(userid)}`);
    set({ token: (await answer.json()).token });
  } catch (err) {
    set({}); // refused, and tried again below
  }
}

const TEMPORARY = /^(handshake fail|service unavailable|namespaces are not loaded yet|token keys unavailable|too many connections .*)$/;
const TOKEN = /^(token |handshake fail statusCode: 40)/; // a new token may help
let pause = 1000;
let closing = '';

function start() {
  const socket = io(server + namespace, { query: { uuid, userid, platform, activityBroadcast: true }, auth });

  function connectLater() {
    setTimeout(() => socket.connect(), pause * (0.75 + Math.random() / 2));
    pause = Math.min(pause * 2, 60000);
  }

  socket.on('connect', () => {
    pause = 1000;
    closing = '';
    if (socket.recovered) return; // the rooms of the session are back, and what was missed has come
    socket.emit('joinRoom', [room], ({ status, msg }) => show(status === 200 ? `joined ${room}` : `not joined: ${msg}`, 'note'));
  });
  socket.on('ok', ({ clientId }) => { state.textContent = 'ready as ' + clientId; });

  // done() is the receipt. It comes last: a message that could not be handled must come again.
  socket.on('push', (message, done) => { handle('push', message); done(); });
  socket.on('offlineMessage', (list, done) => { for (const message of list) handle('inbox', message); done(); });
  socket.on('inboxDropped', ({ dropped }, done) => { show(`lost ${dropped} of a full inbox`, 'note'); done(); });

  // In namespaces whose tokens expire: a new one in time keeps the connection.
  socket.on('tokenExpiring', () => auth((fresh) => {
    socket.emit('refresh', fresh, ({ status, msg }) => show(status === 200 ? 'token refreshed' : `not refreshed: ${msg}`, 'note'));
  }));
  socket.on('closing', ({ reason }) => { closing = reason; });

  socket.on('joinRoom', ({ targetRoom }) => show(`put into ${targetRoom}`, 'note'));
  socket.on('leaveRoom', ({ targetRoom }) => show(`taken out of ${targetRoom}`, 'note'));
  socket.on('peopleJoin', (who) => show(`${who.userid} came to ${who.room}`, 'note'));
  socket.on('peopleLeave', (who) => show(`${who.userid} ${who.clientOffline ? 'went offline in' : 'left'} ${who.room}`, 'note'));

  socket.on('connect_error', (err) => {
    state.textContent = 'refused or unreachable: ' + err.message;
    if (socket.active) return; // the network: the client tries again by itself
    if (TEMPORARY.test(err.message) || (tokenUrl && TOKEN.test(err.message))) connectLater();
  });
  socket.on('disconnect', (reason) => {
    // After "io server disconnect" nothing comes back by itself: another tab of this browser has taken over, or the
    // namespace is offline. An expired token is replaced.
    state.textContent = 'disconnected: ' + (closing || reason);
    if (reason === 'io server disconnect' && closing === 'token expired' && tokenUrl) connectLater();
  });

  document.getElementById('send').addEventListener('submit', (event) => {
    event.preventDefault();
    const text = document.getElementById('text');
    socket.emit('push', { room, pushData: { text: text.value } }, ({ status, msg, id }) => {
      show(status === 200 ? `pushed #${id}` : `not pushed: ${msg}`, 'note');
      if (status === 200) text.value = '';
    });
  });
}

// The server has the client of its own generation: no build step, and no other host is asked.
const script = document.createElement('script');
script.src = server + '/socket.io/socket.io.v4.js';
script.onload = start;
script.onerror = () => { state.textContent = 'no server at ' + server; };
document.head.append(script);
