-- Makes dead jobs ready, as if they were new.
-- KEYS: 1 dead (list of ids, newest first), 2 why (hash: id -> ms|reason), 3 ready (list of ids, oldest last),
--       4 jobs (hash: id -> attempt|failed|due|enqueued|body)
-- ARGV: 1 most jobs to take from the old end, 0 when ids are given, 2… ids
-- Reply: number of jobs moved
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local due = string.format('%.0f', now)
local moved = 0
local function revive(id)
  redis.call('HDEL', KEYS[2], id)
  local rest = string.match(redis.call('HGET', KEYS[4], id) or '', '^%d+|%d+|%d+(|%d+|.*)$')
  redis.call('HSET', KEYS[4], id, '0|0|' .. due .. (rest or string.format('|%.0f|', now / 1000)))
  redis.call('LPUSH', KEYS[3], id)
  moved = moved + 1
end
for i = 1, tonumber(ARGV[1]) do
  local id = redis.call('RPOP', KEYS[1])
  if not id then
    break
  end
  revive(id)
end
for i = 2, #ARGV do
  if redis.call('HEXISTS', KEYS[2], ARGV[i]) == 1 and redis.call('LREM', KEYS[1], 1, ARGV[i]) == 1 then
    revive(ARGV[i])
  end
end
return moved
