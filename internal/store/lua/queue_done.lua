-- Removes finished jobs that a worker holds, and remembers them for a while.
-- KEYS: 1 the worker's list of ids, 2 jobs (hash: id -> attempt|failed|due|enqueued|body), 3 done (zset: id -> ms)
-- ARGV: 1 time to remember them (ms), 2 most to remember, 3… ids
-- Reply: number of jobs removed
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local removed = 0
for i = 3, #ARGV do
  if redis.call('LREM', KEYS[1], 1, ARGV[i]) == 1 then
    redis.call('HDEL', KEYS[2], ARGV[i])
    redis.call('ZADD', KEYS[3], string.format('%.0f', now), ARGV[i])
    removed = removed + 1
  end
end
if removed == 0 then
  return 0
end
redis.call('PEXPIRE', KEYS[3], ARGV[1])
local step = 2 * removed + 20 -- bounded, and more than comes in
local old = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', string.format('%.0f', now - ARGV[1]), 'LIMIT', 0, step)
if #old > 0 then
  redis.call('ZREM', KEYS[3], unpack(old))
end
local over = math.min(redis.call('ZCARD', KEYS[3]) - ARGV[2], step)
if over > 0 then
  redis.call('ZREMRANGEBYRANK', KEYS[3], 0, over - 1)
end
return removed
