-- Makes a connection the newest of its client id.
-- KEYS: 1 client record
-- ARGV: 1 user, 2 now (ms), 3 1 when connections can be recovered, else 0
-- Reply: {generation, node of the connection that is online ('' for none), its generation (0 for none)},
--        and with recovery: session that could be continued (generation|pid|sid, '' for none), user of the last claim,
--        time the session was alive (ms, 0 when it was not released)
-- A generation is never below the time of its claim, so that generations grow
-- even when the record was deleted in between. Who is online, and which
-- session can be continued, changes only when the new connection enters: a
-- claim whose reply was lost can be repeated and still names both.
local key = KEYS[1]
local old = redis.call('HMGET', key, '~gen', '~node', '~on', '~s', '~u', 'userid')
local gen = tonumber(old[1] or '0') + 1
if gen < tonumber(ARGV[2]) then
  gen = tonumber(ARGV[2])
end
redis.call('HSET', key, '~gen', string.format('%.0f', gen), 'userid', ARGV[1], 'last_connect_time', ARGV[2])
redis.call('HSETNX', key, 'first_connect_time', ARGV[2])
local node, on = old[2] or '', tonumber(old[3] or '0')
if ARGV[3] ~= '1' then
  return {gen, node, on}
end
local session, alive = old[4] or '', '0'
if session ~= '' and old[5] and old[5] ~= '' then
  local till
  till, alive = string.match(old[5], '^(%d+)|(%d+)$')
  if tonumber(till) < tonumber(ARGV[2]) then
    session = ''
  end
end
return {gen, node, on, session, old[6] or '', alive}
