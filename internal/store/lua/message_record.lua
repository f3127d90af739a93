-- Adds deliveries and acks to a message that still exists; a device counts once.
-- KEYS: 1 message, 2 web, 3 ios, 4 android devices that have acked
-- ARGV: 1 connections written to, 2 number of web, 3 of ios, 4 of android client ids, 5… the client ids in that order
-- Reply: devices newly counted, or -1 when the message is gone
local expire = redis.call('HGET', KEYS[1], 'expireAt')
if not expire then
  return -1
end
if ARGV[1] ~= '0' then
  redis.call('HINCRBY', KEYS[1], 'onlineClientCount', ARGV[1])
end
local field = {'', 'ackIOSCount', 'ackAndroidCount'}
local total = 0
local at = 5
for p = 1, 3 do
  local n = tonumber(ARGV[1 + p])
  if n > 0 then
    local added = redis.call('SADD', KEYS[1 + p], unpack(ARGV, at, at + n - 1))
    at = at + n
    if added > 0 then
      total = total + added
      redis.call('PEXPIREAT', KEYS[1 + p], expire)
      if field[p] ~= '' then
        redis.call('HINCRBY', KEYS[1], field[p], added)
      end
    end
  end
end
if total > 0 then
  redis.call('HINCRBY', KEYS[1], 'ackCount', total)
end
return total
