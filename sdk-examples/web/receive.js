// Joins the room "news", shows every push and acknowledges it.
// Other server or user: add ?server=http://host:port&namespace=/demo&userid=joe to the address of the page.
const params = new URLSearchParams(location.search);
const server = params.get('server') ?? 'http://127.0.0.1:21314';
const namespace = params.get('namespace') ?? '/demo';
const userid = params.get('userid') ?? 'joe';

// One id per browser, kept: the server recognises the device when it comes back.
const uuid = localStorage.getItem('uuid') ?? 'web-' + Math.random().toString(36).slice(2);
localStorage.setItem('uuid', uuid);

const state = document.getElementById('state');
const messages = document.getElementById('messages');
const socket = io(server + namespace, { query: { uuid, userid, platform: 'web' } });

socket.on('connect', () => {
  // Rooms are joined at every connect, so that they are back after a reconnect.
  socket.emit('joinRoom', ['news'], (answer) => console.log('joined news:', answer));
});

socket.on('ok', ({ clientId }) => {
  state.textContent = 'ready as ' + clientId;
});

socket.on('push', (message) => {
  const line = document.createElement('pre');
  line.textContent = `#${message.id} ${JSON.stringify(message.pushData, null, 2)}`;
  messages.prepend(line);
  socket.emit('ackPush', { id: message.id }); // this makes the receipt
});

socket.on('connect_error', (err) => {
  state.textContent = 'refused or unreachable: ' + err.message;
});

socket.on('disconnect', (reason) => {
  state.textContent = 'disconnected: ' + reason;
});
