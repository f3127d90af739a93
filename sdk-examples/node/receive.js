// Joins the room "news", prints every push and acknowledges it. Settings come from the environment; see README.md.
import { io } from 'socket.io-client';

const url = process.env.PUSH_URL ?? 'http://127.0.0.1:21314';
const namespace = process.env.PUSH_NAMESPACE ?? '/demo';
const userid = process.env.PUSH_USER ?? 'joe';
const uuid = process.env.PUSH_UUID ?? 'example-node'; // one per device, the same at every start

const socket = io(url + namespace, { query: { uuid, userid, platform: 'web' } });

socket.on('connect', () => {
  // Rooms are joined at every connect, so that they are back after a reconnect.
  socket.emit('joinRoom', ['news'], (answer) => console.log('joined news:', answer));
});

socket.on('ok', ({ clientId }) => console.log('ready as', clientId));

socket.on('push', (message) => {
  console.log(`#${message.id} in ${message.room}:`, message.pushData);
  socket.emit('ackPush', { id: message.id }); // this makes the receipt
});

socket.on('connect_error', (err) => console.error('refused or unreachable:', err.message));
socket.on('disconnect', (reason) => console.log('disconnected:', reason));
