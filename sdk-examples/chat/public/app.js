// The chat in the browser. Messages are said to the business server and arrive by lightpush; typing goes by lightpush
// both ways.
const $ = (id) => document.getElementById(id);
const me = { name: sessionStorage.getItem('name'), token: sessionStorage.getItem('token') };
const messages = new Map(); // id → message: the id tells repeats, whichever way they come
const here = new Map(); // client id → user, in the room that is open
const typing = new Map(); // user → timer
const unread = new Set();
let rooms = [];
let open = 'general';
let socket;

// One id per browser, kept: the inbox belongs to it.
const uuid = localStorage.getItem('uuid') ?? 'web-' + Math.random().toString(36).slice(2);
localStorage.setItem('uuid', uuid);

async function ask(method, path, body) {
  const answer = await fetch(path, { method, headers: { authorization: 'Bearer ' + me.token }, body: body && JSON.stringify(body) });
  const result = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(result.msg), { status: answer.status });
  return result;
}

function element(tag, text, attributes = {}) {
  const e = document.createElement(tag);
  e.textContent = text;
  return Object.assign(e, attributes);
}

function showRooms() {
  $('rooms').replaceChildren(...rooms.map((name) => {
    const button = element('button', name, { onclick: () => enter(name), className: unread.has(name) ? 'unread' : '' });
    if (name === open) button.setAttribute('aria-current', 'true');
    const item = element('li', '');
    item.append(button);
    return item;
  }));
}

function showMessages() {
  const list = [...messages.values()].filter((m) => m.room === open).sort((a, b) => a.id - b.id);
  $('messages').replaceChildren(...list.map((m) => {
    const item = element('li', '', { className: m.late ? 'late' : '' });
    if (m.late) item.title = 'arrived while you were away';
    const at = new Date(m.at);
    item.append(element('time', at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }), { dateTime: at.toISOString() }), element('b', m.user), m.text);
    return item;
  }));
  $('messages').scrollTop = $('messages').scrollHeight;
}

function showPeople() {
  $('people').replaceChildren(...[...new Set(here.values())].sort().map((user) => element('li', user)));
}

function showTyping() {
  const users = [...typing.keys()];
  $('typing').textContent = users.length ? `${users.join(', ')} ${users.length > 1 ? 'are' : 'is'} typing …` : '';
}

function stoppedTyping(user) {
  clearTimeout(typing.get(user));
  typing.delete(user);
  showTyping();
}

function isTyping(user) {
  clearTimeout(typing.get(user));
  typing.set(user, setTimeout(() => stoppedTyping(user), 4000));
  showTyping();
}

// /chat#ann#web-u1 is a device of ann. The server has made it, unlike anything in pushData.
const userOf = (clientId) => clientId.split('#')[1];

function arrived(message, late) {
  const { room, pushData: data, from } = message;
  switch (data.kind) {
    case 'room':
      if (from || rooms.includes(data.room)) return;
      rooms.push(data.room);
      join([data.room]);
      return showRooms();
    case 'typing':
      return room === open && from ? isTyping(userOf(from)) : undefined;
    case 'message': {
      if (from) return; // said by a browser, past the business server: nobody vouches for the name in it
      const id = Number(message.id);
      if (!messages.has(id)) messages.set(id, { ...data, id, room, at: Number(message.sendDate), late });
      if (room === open) showMessages();
      else unread.add(room);
      stoppedTyping(data.user);
      return showRooms();
    }
  }
}

async function enter(room) {
  open = room;
  unread.delete(room);
  typing.clear();
  here.clear();
  $('room').textContent = '#' + room;
  showRooms();
  showTyping();
  showMessages();
  const [history, people] = await Promise.all([ask('GET', `/rooms/${room}/messages`), ask('GET', `/rooms/${room}/people`)]);
  for (const m of history) if (!messages.has(m.id)) messages.set(m.id, m);
  if (open !== room) return; // another room was opened meanwhile
  for (const clientId of people.online) here.set(clientId, userOf(clientId));
  showMessages();
  showPeople();
}

function join(names) {
  return new Promise((done) => socket.emit('joinRoom', names, done));
}

function connect({ push, namespace }) {
  socket = io(push + namespace, {
    query: { uuid, userid: me.name, platform: 'web', activityBroadcast: true },
    auth: { token: me.token },
  });
  socket.on('connect', async () => {
    $('state').textContent = 'connected';
    if (!socket.recovered) await join(rooms);
    await enter(open); // who is here may have changed meanwhile
  });
  socket.on('push', (message, done) => { arrived(message, false); done(); });
  socket.on('offlineMessage', (list, done) => { for (const m of list) arrived(m, true); done(); });
  socket.on('inboxDropped', (_, done) => { done(); }); // enter() reads the history anyway
  socket.on('peopleJoin', ({ sid, userid, room }) => { if (room === open) { here.set(sid, userid); showPeople(); } });
  socket.on('peopleLeave', ({ sid, room }) => { if (room === open) { here.delete(sid); showPeople(); } });
  socket.on('disconnect', (reason) => {
    $('state').textContent = reason === 'io server disconnect' ? 'taken over by another tab' : 'reconnecting …';
  });
  let pause = 1000;
  socket.on('connect_error', (err) => {
    $('state').textContent = err.message;
    if (socket.active) return; // the network: the client tries again by itself
    if (err.message.startsWith('handshake fail statusCode')) return logout();
    setTimeout(() => socket.connect(), pause);
    pause = Math.min(pause * 2, 30000);
  });
}

function logout() {
  sessionStorage.clear();
  location.reload();
}

async function start() {
  try {
    const config = await ask('GET', '/config');
    rooms = await ask('GET', '/rooms');
    $('login').hidden = true;
    $('login').style.display = 'none';
    $('chat').hidden = false;
    showRooms();
    const script = element('script', '', { src: config.push + '/socket.io/socket.io.v4.js', onload: () => connect(config) });
    document.head.append(script);
  } catch (err) {
    if (err.status === 401) return logout();
    $('refusal').textContent = err.message;
  }
}

$('login').onsubmit = async (event) => {
  event.preventDefault();
  try {
    const session = await ask('POST', '/login', { name: $('name').value });
    me.name = session.userid;
    me.token = session.token;
    sessionStorage.setItem('name', me.name);
    sessionStorage.setItem('token', me.token);
    start();
  } catch (err) {
    $('refusal').textContent = err.message;
  }
};

$('say').onsubmit = async (event) => {
  event.preventDefault();
  const text = $('text').value;
  if (!text.trim()) return;
  $('text').value = '';
  try {
    await ask('POST', `/rooms/${open}/messages`, { text });
  } catch (err) {
    $('text').value = text; // it was not said
    $('state').textContent = err.message;
  }
};

$('new-room').onsubmit = async (event) => {
  event.preventDefault();
  const input = event.target.querySelector('input');
  try {
    const { name } = await ask('POST', '/rooms', { name: input.value });
    input.value = '';
    if (!rooms.includes(name)) rooms.push(name);
    await join([name]);
    await enter(name);
  } catch (err) {
    $('state').textContent = err.message;
  }
};

// A client may push once a second; more often nobody needs to hear it. It expires at once: nobody reads it later.
let told = 0;
$('text').oninput = () => {
  if (Date.now() - told < 2000 || !socket?.connected) return;
  told = Date.now();
  socket.emit('push', { room: open, pushData: { kind: 'typing' }, expire: 0.01 });
};

if (me.token) start();
