-- Gives a job up that a worker holds. When too many are dead, the oldest are removed.
-- KEYS: 1 the worker's list of ids, 2 jobs (hash: id -> attempt|failed|due|enqueued|body), 3 dead (list of ids, newest first),
--       4 why (hash: id -> ms|reason)
-- ARGV: 1 id, 2 reason, 3 most dead jobs
-- Reply: number of jobs removed to make room, or -1 when the worker does not hold the job
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then
  return -1
end
local time = redis.call('TIME')
redis.call('HSET', KEYS[4], ARGV[1], string.format('%.0f|', time[1] * 1000 + math.floor(time[2] / 1000)) .. ARGV[2])
redis.call('LPUSH', KEYS[3], ARGV[1])
local removed = 0
while removed < 10 and redis.call('LLEN', KEYS[3]) > tonumber(ARGV[3]) do
  local id = redis.call('RPOP', KEYS[3])
  redis.call('HDEL', KEYS[4], id)
  redis.call('HDEL', KEYS[2], id)
  removed = removed + 1
end
return removed
