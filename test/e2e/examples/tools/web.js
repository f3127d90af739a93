// The web example in a browser: receive, confirm, push, meet people, be moved, drop repeats, be replaced.
import assert from 'node:assert/strict';
import { api, browser, push, run, shows, within } from './browser.js';

const { PAGE, PUSH_API } = process.env;
const url = (user, more = '') => `${PAGE}?server=${PUSH_API}&userid=${user}${more}`;

run(async () => {
  const b = await browser();
  const profile = await b.context();
  const ann = await b.page(profile);
  await ann.goto(url('ann'));
  await shows(ann, '#state', 'ready as /demo#ann#web-');
  await shows(ann, '#messages', 'joined news');

  const id = await push('news', 'hello');
  await shows(ann, '#messages', `push #${id} in news: {"text":"hello"}`);
  await within(async () => assert.equal((await api('GET', `/api/auth/report/push/${id}`)).ackCount, '1'));

  const bob = await b.page();
  await bob.goto(url('bob'));
  await shows(bob, '#messages', 'joined news');
  await shows(ann, '#messages', 'bob came to news');
  await bob.fill('#text', 'from bob');
  await bob.click('#send button');
  await shows(ann, '#messages', '{"text":"from bob"}');
  await shows(bob, '#messages', 'pushed #');
  await bob.close();
  await shows(ann, '#messages', 'bob went offline in news');

  await api('POST', '/api/auth/transfer', { targetRoom: 'vip', sourceRooms: ['news'], type: 'join' });
  await shows(ann, '#messages', 'put into vip');
  await api('POST', '/api/auth/transfer', { targetRoom: 'vip', sourceRooms: ['news'], type: 'leave' });
  await shows(ann, '#messages', 'taken out of vip');

  // Messages that were seen before the page was loaded again are repeats.
  const next = (await push('nowhere', 'for the number')) + 1;
  await ann.evaluate((n) => localStorage.setItem('seen', JSON.stringify([n])), next);
  assert.equal(await push('news', 'a repeat'), next);
  await shows(ann, '#messages', `repeat #${next}`);

  const newer = await b.page(profile);
  await newer.goto(url('ann'));
  await shows(newer, '#state', 'ready as');
  await shows(ann, '#state', 'disconnected: io server disconnect');
  await newer.goto(url('ann', '&namespace=/nobody'));
  await shows(newer, '#state', 'this namespace not found');
  await b.close();
});
