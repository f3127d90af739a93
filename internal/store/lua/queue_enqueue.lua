-- Adds jobs to a queue; one that is there, or was done a short while ago, stays as it is.
-- KEYS: 1 later (zset: id -> due, us), 2 ready (list of ids, oldest last), 3 jobs (hash: id -> attempt|failed|due|enqueued|body),
--       4 done (zset: id -> ms)
-- ARGV: 1 delay (us), then pairs of id and body
-- Reply: number of jobs added
-- Jobs without a delay are ready at once. The others of one call become due one after the other, in their order.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local delay = tonumber(ARGV[1])
local tail = string.format('|%.0f|', now / 1000)
local added = 0
for i = 2, #ARGV, 2 do
  local due = string.format('%.0f', now + delay)
  if delay > 0 then
    due = string.format('%.0f', now + delay + added)
  end
  if not redis.call('ZSCORE', KEYS[4], ARGV[i])
    and redis.call('HSETNX', KEYS[3], ARGV[i], '0|0|' .. due .. tail .. ARGV[i + 1]) == 1 then
    if delay > 0 then
      redis.call('ZADD', KEYS[1], due, ARGV[i])
    else
      redis.call('LPUSH', KEYS[2], ARGV[i])
    end
    added = added + 1
  end
end
return added
