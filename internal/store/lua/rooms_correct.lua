-- Corrects a room in a namespace's list, unless it has changed since it was looked at.
-- KEYS: 1 rooms (room -> 1)
-- ARGV: 1 room, 2 value seen ('' for absent), 3 correct value (0 or 1)
-- Reply: 1, or 0 when the value has changed
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then
  return 0
end
if ARGV[3] == '0' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
return 1
