-- Adds rooms to those a device has muted, then removes others.
-- KEYS: 1 client record, 2 its muted rooms
-- ARGV: 1 most rooms it may mute, 2 number of rooms to add, 3… these, then the rooms to remove
-- Reply: 1, 0 when the device is unknown, -1 when it would have too many, which changes nothing
if redis.call('HEXISTS', KEYS[1], 'userid') == 0 then
  return 0
end
local add = tonumber(ARGV[2])
local fresh = 0
for i = 3, 2 + add do
  if redis.call('SISMEMBER', KEYS[2], ARGV[i]) == 0 then
    fresh = fresh + 1
  end
end
if fresh > 0 then
  if redis.call('SCARD', KEYS[2]) + fresh > tonumber(ARGV[1]) then
    return -1
  end
  redis.call('SADD', KEYS[2], unpack(ARGV, 3, 2 + add))
end
if #ARGV > 2 + add then
  redis.call('SREM', KEYS[2], unpack(ARGV, 3 + add))
end
return 1
