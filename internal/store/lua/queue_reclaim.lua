-- Returns jobs of a worker whose lease has ended to the front of the queue, each with an attempt more.
-- KEYS: 1 ready (list of ids, oldest last), 2 jobs (hash: id -> attempt|failed|due|enqueued|body),
--       3 workers (zset: worker -> end of lease, ms), 4 the worker's list of ids
-- ARGV: 1 worker, 2 most jobs to return
-- Reply: 1 when more are left, else 0
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local ends = redis.call('ZSCORE', KEYS[3], ARGV[1])
if ends and tonumber(ends) >= now / 1000 then
  return 0
end
for i = 1, tonumber(ARGV[2]) do
  local id = redis.call('LPOP', KEYS[4])
  if not id then
    redis.call('ZREM', KEYS[3], ARGV[1])
    return 0
  end
  local attempt, failed, rest = string.match(redis.call('HGET', KEYS[2], id) or '', '^(%d+)|(%d+)(|%d+|%d+|.*)$')
  if not attempt then -- its content is lost; who handles it may know what to do with the id
    attempt, failed, rest = 0, 0, string.format('|%.0f|%.0f|', now, now / 1000)
  end
  redis.call('HSET', KEYS[2], id, string.format('%.0f|%.0f', attempt + 1, failed + 1) .. rest)
  redis.call('RPUSH', KEYS[1], id)
end
return 1
