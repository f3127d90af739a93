// Starts lightpush and the chat on this machine with one command: node start.js [program]. The program is the lightpush
// binary; without it the sources of this repository are run, which needs Go.
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { randomBytes } = require('node:crypto');
const { createChat } = require('./chat.js');

const password = randomBytes(18).toString('base64url');
const [program, args, cwd] = process.argv[2]
  ? [path.resolve(process.argv[2]), [], __dirname]
  : ['go', ['run', './cmd/lightpush'], path.join(__dirname, '../..')];
const data = path.join(__dirname, 'data');
fs.mkdirSync(data, { recursive: true });

const lightpush = spawn(program, [...args, '--listen', `127.0.0.1:${process.env.PUSH_PORT ?? 21314}`, '--data-dir', data], {
  cwd,
  detached: true, // go run has a child of its own: the whole group is stopped
  stdio: ['ignore', 'pipe', 'inherit'],
  env: {
    ...process.env,
    LIGHTPUSH_ADMIN_PASSWD: password,
    LIGHTPUSH_OFFLINE_PLATFORMS: 'android,web', // browsers get an inbox too
    LIGHTPUSH_EMIT_MSG_PICK_KEY: 'false', // messages name their sender, which the server knows better than the message
    LIGHTPUSH_WORKER_MESSAGE_TIMEOUT: process.env.LIGHTPUSH_WORKER_MESSAGE_TIMEOUT ?? '2000',
    LIGHTPUSH_LOG_LEVEL: 'warn',
  },
});
const stop = () => {
  try {
    process.kill(-lightpush.pid, 'SIGTERM');
  } catch {
    // it has ended already
  }
};
process.on('exit', stop);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));
lightpush.on('exit', (code) => process.exit(code ?? 1));

let printed = '';
lightpush.stdout.on('data', async (text) => {
  if (printed === 'done') return;
  const api = /REST API +(http:\/\/[^\s/]+)/.exec((printed += text))?.[1];
  if (!api) return;
  printed = 'done';
  try {
    const chat = await createChat({ api, admin: `admin:${password}`, port: Number(process.env.PORT ?? 8080) });
    console.log(`the chat is open at ${chat.url}`);
  } catch (err) {
    console.error(err);
    process.exit(1);
  }
});
