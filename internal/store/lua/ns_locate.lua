-- Remembers the position of a device that is online; it is forgotten when the device goes (ns_leave.lua).
-- KEYS: 1 online devices (client id -> generation|user), 2 positions
-- ARGV: 1 client id, 2 longitude, 3 latitude
-- Reply: 1, or 0 when the device is offline
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  return 0
end
redis.call('GEOADD', KEYS[2], ARGV[2], ARGV[3], ARGV[1])
return 1
