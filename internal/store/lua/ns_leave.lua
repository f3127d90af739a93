-- Takes a device out of the online figures of its namespace, if this generation is online.
-- KEYS: 1 online devices (client id -> generation|user), 2 online users (user -> devices), 3 positions,
--       4 online devices by platform (platform -> devices)
-- ARGV: 1 client id, 2 generation, 3 platform, which follows from the client id
-- Reply: 1, or 0 when this generation is not online
local old = redis.call('HGET', KEYS[1], ARGV[1])
if not old then
  return 0
end
local gen, user = string.match(old, '^(%d+)|(.*)$')
if gen ~= ARGV[2] then
  return 0
end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
if redis.call('HINCRBY', KEYS[4], ARGV[3], -1) <= 0 then
  redis.call('HDEL', KEYS[4], ARGV[3])
end
if redis.call('HINCRBY', KEYS[2], user, -1) <= 0 then
  redis.call('HDEL', KEYS[2], user)
end
return 1
