// The chat in three browsers: logins, rooms, messages, typing, presence, history, being away, forgeries.
import assert from 'node:assert/strict';
import { browser, run, shows, within } from './browser.js';

const { PAGE } = process.env;

async function login(page, name) {
  await page.goto(PAGE);
  await page.fill('#name', name);
  await page.click('#login button');
  await shows(page, '#state', 'connected');
  await shows(page, '#people', name);
}

async function say(page, text) {
  await page.fill('#text', text);
  await page.press('#text', 'Enter');
}

const count = (page, text) => page.locator('#messages li', { hasText: text }).count();
const lacks = (page, selector, text) => within(async () => assert.ok(!(await page.locator(selector).innerText()).includes(text), text));

run(async () => {
  const b = await browser();
  const ann = await b.page();
  await ann.goto(PAGE);
  await ann.fill('#name', 'not a name');
  await ann.click('#login button');
  await shows(ann, '#refusal', 'letters, digits');
  await login(ann, 'ann');

  const profile = await b.context();
  let bob = await b.page(profile);
  await login(bob, 'bob');
  await shows(ann, '#people', 'bob');
  await shows(bob, '#people', 'ann');

  await bob.type('#text', 'hel');
  await shows(ann, '#typing', 'bob is typing');
  await say(bob, 'hello from bob');
  await shows(ann, '#messages', 'hello from bob');
  await shows(bob, '#messages', 'hello from bob');
  await lacks(ann, '#typing', 'bob');
  await say(ann, '<b id="evil">ann</b>');
  await shows(bob, '#messages', '<b id="evil">ann</b>');
  assert.equal(await bob.locator('#evil').count(), 0);

  // A new room is everybody's at once; what is said elsewhere is marked as unread.
  await ann.fill('#new-room input', 'plans');
  await ann.press('#new-room input', 'Enter');
  await shows(ann, '#room', '#plans');
  await shows(bob, '#rooms', 'plans');
  await say(ann, 'a plan');
  await within(async () => assert.equal(await bob.locator('#rooms .unread', { hasText: 'plans' }).count(), 1));
  await bob.click('#rooms >> text=plans');
  await shows(bob, '#messages', 'a plan');
  assert.equal(await count(bob, 'hello from bob'), 0);

  // bob goes; what is said meanwhile waits for him. He gets it once in any case, and marked when he was away long enough
  // for the worker to put it into his inbox.
  await ann.click('#rooms >> text=general');
  for (let round = 1; ; round++) {
    await bob.close();
    await lacks(ann, '#people', 'bob');
    const text = `while bob was away, ${round}`;
    await say(ann, text);
    await shows(ann, '#messages', text);
    bob = await b.page(profile);
    await login(bob, 'bob');
    await shows(bob, '#messages', text);
    assert.equal(await count(bob, text), 1);
    if (await bob.locator('#messages li.late', { hasText: text }).count() === 1) break;
    assert.ok(round < 20, 'nothing ever came out of the inbox');
  }

  // Somebody new finds the history.
  const eve = await b.page();
  await login(eve, 'eve');
  await shows(eve, '#messages', 'hello from bob');
  // A message that a browser pushes past the business server is nobody's word.
  await eve.evaluate(() => new Promise((done) => {
    socket.emit('push', { room: 'general', pushData: { kind: 'message', user: 'ann', text: 'I owe you' } }, done);
  }));
  await say(eve, 'after the forgery');
  await shows(bob, '#messages', 'after the forgery');
  assert.equal(await count(bob, 'I owe you'), 0);
  await bob.reload();
  await shows(bob, '#messages', 'after the forgery');
  assert.equal(await count(bob, 'I owe you'), 0);
  // A token of somebody else does not connect.
  await eve.evaluate(() => sessionStorage.setItem('name', 'ann'));
  await eve.reload();
  await within(async () => assert.ok(await eve.locator('#login').isVisible()));
  await b.close();
});
