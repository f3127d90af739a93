-- Makes a job that a worker holds due again later.
-- KEYS: 1 the worker's list of ids, 2 jobs (hash: id -> attempt|failed|due|enqueued|body), 3 later (zset: id -> due, us)
-- ARGV: 1 id, 2 delay (us), 3 1 when the attempt has failed, else 0, 4 1 to replace the body, else 0, 5 the body
-- Reply: 1, or 0 when the worker does not hold the job
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local due = string.format('%.0f', now + ARGV[2])
local attempt, failed, enqueued, body =
  string.match(redis.call('HGET', KEYS[2], ARGV[1]) or '', '^(%d+)|(%d+)|%d+|(%d+)|(.*)$')
if not attempt then
  attempt, failed, enqueued, body = 0, 0, string.format('%.0f', now / 1000), ''
end
if ARGV[4] == '1' then
  body = ARGV[5]
end
redis.call('HSET', KEYS[2], ARGV[1],
  string.format('%.0f|%.0f', attempt + 1, failed + ARGV[3]) .. '|' .. due .. '|' .. enqueued .. '|' .. body)
redis.call('ZADD', KEYS[3], due, ARGV[1])
return 1
