-- Puts a message into the inbox of a device and tells where the device is connected.
-- KEYS: 1 client record, 2 inbox (zset: id|end of life (ms) -> id)
-- ARGV: 1 message id, 2 end of its life (ms), 3 most entries
-- Reply: {entries dropped, or -1 when the device is not known any more, -2 when it wants nothing kept,
--        node of the connection that is online ('' for none), its generation}
-- A full inbox loses what has expired first, as far as it is among its oldest thousand, then its oldest. Only live
-- entries count as dropped; the device is told how many.
local record = redis.call('HMGET', KEYS[1], '~node', '~on', '~gen', 'leaveMessage')
if not record[3] then
  return {-1, '', '0'}
end
if record[4] == 'false' then
  return {-2, '', '0'}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[2], ARGV[1], ARGV[1] .. '|' .. ARGV[2])
local dropped = 0
local over = redis.call('ZCARD', KEYS[2]) - ARGV[3]
if over > 0 then
  for _, entry in ipairs(redis.call('ZRANGE', KEYS[2], 0, 999)) do
    if tonumber(string.match(entry, '|(%d+)$')) <= now then
      redis.call('ZREM', KEYS[2], entry)
      over = over - 1
    end
  end
  if over > 0 then
    redis.call('ZREMRANGEBYRANK', KEYS[2], 0, over - 1)
    redis.call('HINCRBY', KEYS[1], '~dropped', over)
    dropped = over
  end
end
if redis.call('PTTL', KEYS[2]) < ARGV[2] - now then
  redis.call('PEXPIREAT', KEYS[2], ARGV[2])
end
return {dropped, record[1] or '', record[2] or '0'}
