-- Reads the figures of a queue.
-- KEYS: 1 later (zset: id -> due, us), 2 ready (list of ids, oldest last), 3 jobs (hash: id -> attempt|failed|due|enqueued|body),
--       4 dead (list of ids)
-- ARGV: none
-- Reply: {not yet due, due and not taken, in the hands of workers, dead, how long the oldest of the second has been due (us)}
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local ready, dead = redis.call('LLEN', KEYS[2]), redis.call('LLEN', KEYS[4])
local all, later = redis.call('HLEN', KEYS[3]), redis.call('ZCARD', KEYS[1])
local due = redis.call('ZCOUNT', KEYS[1], '-inf', string.format('%.0f', now))
local oldest = now
if due > 0 then
  oldest = math.min(oldest, redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2])
end
if ready > 0 then
  local at = string.match(redis.call('HGET', KEYS[3], redis.call('LINDEX', KEYS[2], -1)) or '', '^%d+|%d+|(%d+)|')
  if at then
    oldest = math.min(oldest, at)
  end
end
return {later - due, due + ready, math.max(0, all - later - ready - dead), dead, now - oldest}
