-- Counts a device as online in its namespace; a greater generation wins.
-- KEYS: 1 online devices (client id -> generation|user), 2 online users (user -> devices), 3 devices seen,
--       4 online devices by platform (platform -> devices)
-- ARGV: 1 client id, 2 generation, 3 user, 4 now (ms), 5 platform, which follows from the client id
-- Reply: 1, or 0 when a greater generation is online
local old = redis.call('HGET', KEYS[1], ARGV[1])
local olduser = nil
if old then
  local gen
  gen, olduser = string.match(old, '^(%d+)|(.*)$')
  if tonumber(gen) > tonumber(ARGV[2]) then
    return 0
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. '|' .. ARGV[3])
if not old then
  redis.call('HINCRBY', KEYS[4], ARGV[5], 1)
end
if olduser ~= ARGV[3] then
  redis.call('HINCRBY', KEYS[2], ARGV[3], 1)
  if olduser and redis.call('HINCRBY', KEYS[2], olduser, -1) <= 0 then
    redis.call('HDEL', KEYS[2], olduser)
  end
end
redis.call('ZADD', KEYS[3], ARGV[4], ARGV[1])
return 1
