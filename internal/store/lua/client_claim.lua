-- Makes a connection the newest of its client id.
-- KEYS: 1 client record
-- ARGV: 1 node, 2 user, 3 now (ms)
-- Reply: {generation, node that held the id ('' when it was offline), its generation}
-- A generation is never below the time of its claim, so that generations grow
-- even when the record was deleted in between.
local key = KEYS[1]
local old = redis.call('HMGET', key, '~gen', '~node')
local gen = tonumber(old[1] or '0')
local prev = old[2] or ''
local prevgen = 0
if prev ~= '' then
  prevgen = gen
end
local now = tonumber(ARGV[3])
if gen < now then
  gen = now
else
  gen = gen + 1
end
redis.call('HSET', key, '~gen', string.format('%.0f', gen), '~node', ARGV[1],
  'userid', ARGV[2], 'last_connect_time', ARGV[3])
redis.call('HSETNX', key, 'first_connect_time', ARGV[3])
return {gen, prev, prevgen}
