-- Marks a device offline, if this generation is the one that is online.
-- KEYS: 1 client record
-- ARGV: 1 generation, 2 now (ms), 3 reason, 4 until when its session can be continued and until when it was alive
--       (ms|ms), '' when it ends
-- Reply: 1, or 0 when another generation is online, or none
if redis.call('HGET', KEYS[1], '~on') ~= ARGV[1] then
  return 0
end
if ARGV[4] == '' then
  redis.call('HDEL', KEYS[1], '~node', '~on', '~s', '~u', '~act')
  redis.call('HSET', KEYS[1], 'last_disconnect_time', ARGV[2], 'disconnect_reason', ARGV[3])
else
  redis.call('HDEL', KEYS[1], '~node', '~on', '~act')
  redis.call('HSET', KEYS[1], 'last_disconnect_time', ARGV[2], 'disconnect_reason', ARGV[3], '~u', ARGV[4])
end
return 1
