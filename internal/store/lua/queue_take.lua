-- Renews a worker's lease and moves due jobs to its list, oldest first.
-- KEYS: 1 later (zset: id -> due, us), 2 ready (list of ids, oldest last), 3 jobs (hash: id -> attempt|failed|due|enqueued|body),
--       4 workers (zset: worker -> end of lease, ms), 5 the worker's list of ids
-- ARGV: 1 worker, 2 lease (ms), 3 most jobs to move, 4 number of jobs the worker knows it holds
-- Reply: {ids newest first, their jobs, some workers whose lease has ended, 1 when the ids are all that the worker holds}
-- The lease is written only when a quarter of it is over: polling an idle queue changes nothing. Redis lets a script
-- that has begun with a removal go on when memory is short; working on the queue is what frees memory.
redis.call('ZREM', KEYS[4], '')
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local lease, max = tonumber(ARGV[2]), tonumber(ARGV[3])
local renewed = now / 1000 + lease
local ends = tonumber(redis.call('ZSCORE', KEYS[4], ARGV[1]) or '0')
if ends < renewed - lease / 4 or ends > renewed then
  redis.call('ZADD', KEYS[4], string.format('%.0f', renewed), ARGV[1])
end
local moved = 0
if max > 0 then
  local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now), 'LIMIT', 0, max)
  if #due > 0 then
    redis.call('ZREM', KEYS[1], unpack(due))
    redis.call('LPUSH', KEYS[2], unpack(due))
  end
  while moved < max and redis.call('RPOPLPUSH', KEYS[2], KEYS[5]) do
    moved = moved + 1
  end
end
local dead = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', string.format('(%.0f', now / 1000), 'LIMIT', 0, 10)
local last, all = moved, 0
if redis.call('LLEN', KEYS[5]) - moved ~= tonumber(ARGV[4]) then
  last, all = 2000, 1
end
if last == 0 then
  return {{}, {}, dead, all}
end
local ids = redis.call('LRANGE', KEYS[5], 0, last - 1)
if #ids == 0 then
  return {{}, {}, dead, all}
end
return {ids, redis.call('HMGET', KEYS[3], unpack(ids)), dead, all}
