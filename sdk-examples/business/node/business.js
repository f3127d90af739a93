// The business side: tokens, callbacks and pushes. See ../README.md.
const http = require('node:http');
const { createHmac, timingSafeEqual } = require('node:crypto');

const env = process.env;
const api = env.PUSH_API ?? 'http://127.0.0.1:21314';
const credential = `${env.PUSH_NAMESPACE ?? '/demo'}:${env.PUSH_PASSWORD ?? ''}`;
const callbackSecret = env.CALLBACK_SECRET ?? 'callback-secret';
const tokenSecret = env.TOKEN_SECRET ?? 'token-secret';

const hmac = (secret, ...parts) => parts.reduce((mac, part) => mac.update(part), createHmac('sha256', secret)).digest();
const now = () => Math.floor(Date.now() / 1000);

// signed checks x-lightpush-signature over the request as it arrived; body is a Buffer.
function signed(req, body) {
  const m = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(req.headers['x-lightpush-signature'] ?? '');
  if (!m || Math.abs(now() - Number(m[1])) > 300) return false;
  return timingSafeEqual(hmac(callbackSecret, `${m[1]}.${req.method}.${req.url}.`, body), Buffer.from(m[2], 'hex'));
}

// A JWT with HS256. Issue one only to a user who has logged in.
function issue(userid) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ sub: userid, iat: now(), exp: now() + 300 })}`;
  return `${text}.${hmac(tokenSecret, text).toString('base64url')}`;
}

// userOf returns the user a token was issued to, or undefined. The algorithm is ours, whatever the token's header says.
function userOf(token) {
  const [head, payload, signature] = (token ?? '').split('.');
  const want = hmac(tokenSecret, `${head}.${payload}`);
  const got = Buffer.from(signature ?? '', 'base64url');
  if (got.length !== want.length || !timingSafeEqual(got, want)) return undefined;
  const { sub, exp } = JSON.parse(Buffer.from(payload, 'base64url'));
  return exp > now() ? sub : undefined;
}

async function push(message) {
  const answer = await fetch(`${api}/api/auth/push`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Basic ' + Buffer.from(credential).toString('base64') },
    body: JSON.stringify(message),
    signal: AbortSignal.timeout(5000),
  });
  return [answer.status, await answer.json()];
}

async function handle(req, body) {
  const url = new URL(req.url, 'http://localhost');
  const query = url.searchParams;
  switch (`${req.method} ${url.pathname}`) {
    case 'GET /token':
      return [200, { token: issue(query.get('userid')) }];
    case 'GET /in': {
      if (!signed(req, body)) return [401, { msg: 'bad signature' }];
      const user = userOf(query.get('token'));
      return user === query.get('userid') ? [200, { userid: user, rooms: ['news'] }] : [403, { msg: 'not you' }];
    }
    case 'POST /out': {
      if (!signed(req, body)) return [401, { msg: 'bad signature' }];
      const gone = JSON.parse(body).query;
      console.log('gone', gone.userid, gone.uuid, req.headers['x-lightpush-delivery']); // the same for repeats: a key
      return [200, {}];
    }
    case 'POST /send': {
      const { room, text } = JSON.parse(body);
      return push({ room, pushData: { text }, leaveMessage: true });
    }
  }
  return [404, { msg: 'not found' }];
}

const server = http.createServer(async (req, res) => {
  let status = 500;
  let answer = { msg: 'internal error' };
  try {
    const parts = [];
    let size = 0;
    for await (const part of req) {
      if ((size += part.length) > 1 << 20) return req.destroy();
      parts.push(part);
    }
    [status, answer] = await handle(req, Buffer.concat(parts));
  } catch (err) {
    console.error(err.message);
  }
  res.writeHead(status, { 'content-type': 'application/json', 'access-control-allow-origin': '*' }).end(JSON.stringify(answer));
});
server.listen(Number(env.PORT ?? 8090), '127.0.0.1', () => console.log(`business on http://127.0.0.1:${server.address().port}`));
