-- Removes the push token of a device, unless it has a new one by now.
-- KEYS: 1 client record
-- ARGV: 1 token
-- Reply: 1, or 0 when the token is another or none
if redis.call('HGET', KEYS[1], 'device_token') ~= ARGV[1] then
  return 0
end
redis.call('HDEL', KEYS[1], 'device_token')
return 1
