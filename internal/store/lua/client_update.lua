-- Changes fields of a device that is known.
-- KEYS: 1 client record
-- ARGV: 1 now (ms), 2 user it must be of ('' for any), 3… pairs of field and value
-- Reply: 1, 0 when the device is unknown, -1 when it is another user's
local user = redis.call('HGET', KEYS[1], 'userid')
if not user then
  return 0
end
if ARGV[2] ~= '' and ARGV[2] ~= user then
  return -1
end
redis.call('HSET', KEYS[1], 'update_date', ARGV[1], unpack(ARGV, 3))
return 1
