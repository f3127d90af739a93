-- Ends that a device belongs to a room, unless the connection it is online on has joined that itself.
-- KEYS: 1 client record, 2 its rooms (room -> generation that joined last)
-- ARGV: 1 room
-- Reply: 1, or 0 when the room was left alone
local on = redis.call('HGET', KEYS[1], '~on')
local gen = redis.call('HGET', KEYS[2], ARGV[1])
if not gen or gen == on then
  return 0
end
redis.call('HDEL', KEYS[2], ARGV[1])
return 1
