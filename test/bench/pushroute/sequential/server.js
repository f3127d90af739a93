'use strict';
// A push route that works as light-push's does, as far as its specification says: the same framework and Redis client at
// the versions it pins, the same Redis commands for one push, each step awaited before the next. It is written for this
// measurement and checks less than light-push; what it costs is a floor of what light-push costs.
const Koa = require('koa');
const Router = require('koa-router');
const body = require('koa-body');
const Redis = require('ioredis');

const redis = new Redis(Number(process.env.REDIS_PORT), '127.0.0.1');
const publisher = new Redis(Number(process.env.REDIS_PORT), '127.0.0.1');
const credentials = process.env.CREDENTIALS;
const namespace = '/bench';
const lifetime = 24 * 3600; // s
const listMax = 1000;

const router = new Router();
router.post('/api/auth/push', async (ctx) => {
  if (ctx.get('authorization') !== credentials) ctx.throw(401);
  const { room, pushData } = ctx.request.body;
  if (!room || !pushData || typeof pushData !== 'object') ctx.throw(400);
  const id = await redis.incr('msg_uuid');
  const message = { id, namespace, room, pushData: JSON.stringify(pushData), sendDate: Date.now(), ackCount: 0, ackIOSCount: 0, ackAndroidCount: 0 };
  await redis.multi().hmset(`msg_${id}`, message).expire(`msg_${id}`, lifetime).exec();
  await redis.multi().lpush(`list_${namespace}`, id).ltrim(`list_${namespace}`, 0, listMax - 1).exec();
  for (const platform of ['android', 'ios', 'web']) {
    const key = `ack_${platform}_{${namespace}_${room}}_${id}`;
    await redis.multi().sadd(key, '__ack').expire(key, lifetime).exec();
  }
  const now = new Date();
  const tallies = redis.pipeline();
  for (const [key, seconds] of [
    [`${now.getHours()}_${now.getMinutes()}`, 3600],
    [`${now.getDate()}_${now.getHours()}`, 24 * 3600],
    [`${now.getFullYear()}_${now.getMonth()}_${now.getDate()}`, 100 * 24 * 3600],
  ]) {
    tallies.incr(`tally_${namespace}_${key}`).expire(`tally_${namespace}_${key}`, seconds);
  }
  tallies.exec();
  publisher.publish(`broadcast_${namespace}`, JSON.stringify([{ id, namespace, room, pushData }, { rooms: [room] }]));
  ctx.body = { code: 200, data: { id } };
});

const app = new Koa();
app.use(body());
app.use(router.routes());
app.listen(Number(process.env.PORT), '127.0.0.1', () => console.log('ready'));
