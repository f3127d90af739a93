// The business server of a small chat: users, rooms, messages, history. Everything that has to reach a browser goes
// through lightpush. It keeps only sessions and names; messages and presence are asked for over REST.
const http = require('node:http');
const fs = require('node:fs');
const path = require('node:path');
const { createHmac, randomBytes, timingSafeEqual } = require('node:crypto');

const NAME = /^[A-Za-z0-9_-]{1,30}$/;
const FILES = { '/': 'index.html', '/app.js': 'app.js', '/style.css': 'style.css' };
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };
const LOBBY = 'lobby'; // everybody is in it: news about rooms

class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// createChat makes the namespace at lightpush and returns the HTTP server, listening on port.
async function createChat({ api, admin, namespace = '/chat', port = 8080 }) {
  const password = randomBytes(18).toString('base64url');
  const secret = randomBytes(18).toString('base64url'); // signs the callbacks
  const sessions = new Map(); // token → user
  const rooms = new Set(['general', 'random']);
  const lastSeen = new Map(); // user → time

  // call sends a REST request to lightpush and returns its answer.
  async function call(method, route, body, credential = `${namespace}:${password}`) {
    const answer = await fetch(api + route, {
      method,
      headers: { 'content-type': 'application/json', authorization: 'Basic ' + Buffer.from(credential).toString('base64') },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(5000),
    });
    const result = await answer.json();
    if (!answer.ok) throw new Refusal(502, `lightpush: ${result.msg}`);
    return result;
  }

  const push = (room, pushData, more) => call('POST', '/api/auth/push', { room, pushData, ...more });

  function signed(req, body) {
    const m = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(req.headers['x-lightpush-signature'] ?? '');
    if (!m || Math.abs(Date.now() / 1000 - Number(m[1])) > 300) return false;
    const mac = createHmac('sha256', secret).update(`${m[1]}.${req.method}.${req.url}.`).update(body).digest();
    return timingSafeEqual(mac, Buffer.from(m[2], 'hex'));
  }

  // The connect callback: who has logged in here may connect, as the one he is, and is in the lobby.
  function enter(query) {
    if (sessions.get(query.get('token')) !== query.get('userid')) throw new Refusal(403, 'log in first');
    return { userid: query.get('userid'), rooms: [LOBBY] };
  }

  function login({ name }) {
    if (!NAME.test(name)) throw new Refusal(400, 'letters, digits, _ and -, up to 30');
    const token = randomBytes(18).toString('base64url'); // a real server asks for a password before
    sessions.set(token, name);
    if (sessions.size > 10000) sessions.delete(sessions.keys().next().value);
    return { token, userid: name };
  }

  async function makeRoom({ name }) {
    if (!NAME.test(name)) throw new Refusal(400, 'letters, digits, _ and -, up to 30');
    if (rooms.size >= 100) throw new Refusal(400, 'too many rooms');
    rooms.add(name);
    await push(LOBBY, { kind: 'room', room: name });
    return { name };
  }

  // leaveMessage keeps the message for members who are away: they get it when they come back.
  function say(user, room, { text }) {
    if (typeof text !== 'string' || !text.trim() || text.length > 2000) throw new Refusal(400, 'a text of up to 2000 characters');
    return push(room, { kind: 'message', user, text }, { leaveMessage: true });
  }

  // The history of lightpush has all rooms and kinds; typing is in it too, but expires within a minute.
  async function history(room) {
    const all = await call('GET', '/api/auth/report/push?size=500');
    return all.filter((m) => m.room === room && !m.from) // from: pushed by a browser, past this server
      .map((m) => ({ ...JSON.parse(m.pushData), id: Number(m.id), room, at: Number(m.sendDate) }))
      .filter((m) => m.kind === 'message').reverse();
  }

  async function people(room) {
    const [online] = await call('GET', `/api/auth/report/online?detail=1&room=${encodeURIComponent(room)}`);
    return { online: online.client ?? [], lastSeen: Object.fromEntries(lastSeen) };
  }

  async function handle(req, body) {
    const url = new URL(req.url, 'http://localhost');
    const route = `${req.method} ${url.pathname}`;
    if (route === 'GET /in' || route === 'POST /out') {
      if (!signed(req, body)) throw new Refusal(401, 'bad signature');
      if (route === 'GET /in') return enter(url.searchParams);
      lastSeen.set(JSON.parse(body).query.userid, Date.now());
      return {};
    }
    const input = body.length ? JSON.parse(body) : {};
    if (route === 'POST /login') return login(input);
    const user = sessions.get((req.headers.authorization ?? '').replace('Bearer ', ''));
    if (!user) throw new Refusal(401, 'log in first');
    if (route === 'GET /config') return { push: api, namespace };
    if (route === 'GET /rooms') return [...rooms];
    if (route === 'POST /rooms') return makeRoom(input);
    const [, room, what] = /^\/rooms\/([^/]+)\/(messages|people)$/.exec(url.pathname) ?? [];
    if (!rooms.has(room)) throw new Refusal(404, 'no such room');
    if (what === 'people') return people(room);
    return req.method === 'POST' ? say(user, room, input) : history(room);
  }

  async function serve(req, res) {
    const file = FILES[req.url.split('?')[0]];
    if (req.method === 'GET' && file) {
      res.writeHead(200, { 'content-type': TYPES[path.extname(file)] + '; charset=utf-8' });
      return fs.createReadStream(path.join(__dirname, 'public', file)).pipe(res);
    }
    let status = 200;
    let answer;
    try {
      const parts = [];
      let size = 0;
      for await (const part of req) {
        if ((size += part.length) > 64 << 10) return req.destroy();
        parts.push(part);
      }
      answer = await handle(req, Buffer.concat(parts));
    } catch (err) {
      status = err.status ?? 500;
      answer = { msg: err.status ? err.message : 'internal error' };
      if (!err.status) console.error(err);
    }
    res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  }

  const server = http.createServer(serve);
  await new Promise((ready) => server.listen(port, '127.0.0.1', ready));
  const self = `http://127.0.0.1:${server.address().port}`;
  await call('POST', '/api/admin/namespace/save', {
    key: namespace, name: 'Chat', auth_passwd: password, callback_secret: secret,
    connect_callback: self + '/in', disconnect_callback: self + '/out',
  }, admin);
  return { server, url: self };
}

module.exports = { createChat };
