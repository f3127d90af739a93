-- Notes that a device belongs to a room it was put into while it was, or may have been, offline.
-- KEYS: 1 client record, 2 its rooms (room -> generation that joined last)
-- ARGV: 1 room, 2… rooms for the sake of which it belongs there
-- Reply: 1, or 0 when the device is unknown
-- A session that can be continued gets the room, if it was in one of the others; a device that is online gets it from
-- its node.
if redis.call('HEXISTS', KEYS[1], 'userid') == 0 then
  return 0
end
local gen = '0'
local of = redis.call('HMGET', KEYS[1], '~s', '~on')
if of[1] and not of[2] then
  local session = string.match(of[1], '^(%d+)|')
  for i = 2, #ARGV do
    if session and redis.call('HGET', KEYS[2], ARGV[i]) == session then
      gen = session
    end
  end
end
redis.call('HSETNX', KEYS[2], ARGV[1], gen)
return 1
