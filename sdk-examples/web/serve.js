// Serves this folder's page to a browser on this machine. Any web server will do instead.
const http = require('node:http');
const fs = require('node:fs');
const path = require('node:path');

const FILES = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/receive.js': ['receive.js', 'text/javascript; charset=utf-8'],
};

const server = http.createServer((req, res) => {
  const [file, type] = FILES[req.url.split('?')[0]] ?? [];
  if (!file) return res.writeHead(404).end();
  res.writeHead(200, { 'Content-Type': type });
  fs.createReadStream(path.join(__dirname, file)).pipe(res);
});
server.listen(Number(process.env.PORT ?? 8000), '127.0.0.1', () => {
  console.log(`open http://127.0.0.1:${server.address().port}/`);
});
