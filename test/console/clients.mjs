// Clients of business systems, for something to look at.
import { io } from 'socket.io-client'

/** Connects one client, joins rooms, and acks what it gets unless told otherwise. */
export function client(base, { namespace = '/demo', uuid, userid, platform = 'web', rooms = [], ack = true }) {
  return new Promise((resolve, reject) => {
    const socket = io(base + namespace, { query: { uuid, userid, platform }, transports: ['websocket'], forceNew: true, reconnection: false })
    socket.on('connect_error', reject)
    socket.on('push', (_, confirm) => ack && confirm?.())
    socket.on('ok', async () => {
      if (rooms.length) await socket.emitWithAck('joinRoom', rooms)
      resolve(socket)
    })
  })
}

/** A small population: three platforms, a few rooms, some devices away. */
export async function populate(server, n = 24) {
  const platforms = ['web', 'web', 'ios', 'android']
  const sockets = []
  for (let i = 0; i < n; i++) {
    const rooms = ['news', ...(i % 2 ? ['sport'] : []), ...(i % 5 === 0 ? ['chat/general'] : [])]
    sockets.push(await client(server.base, { uuid: 'device-' + i, userid: 'user' + (i % 15), platform: platforms[i % 4], rooms, ack: i % 7 !== 3 }))
  }
  return sockets
}
