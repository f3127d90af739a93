-- Marks a device offline, if it is held by this generation.
-- KEYS: 1 client record
-- ARGV: 1 generation, 2 now (ms), 3 reason
-- Reply: 1, or 0 when another generation holds the client
if redis.call('HGET', KEYS[1], '~gen') ~= ARGV[1] then
  return 0
end
if redis.call('HDEL', KEYS[1], '~node') == 1 then
  redis.call('HSET', KEYS[1], 'last_disconnect_time', ARGV[2], 'disconnect_reason', ARGV[3])
end
return 1
