-- Notes that a device knows how many entries its inbox has lost.
-- KEYS: 1 client record
-- ARGV: 1 number it was told
-- Reply: number lost since
local left = tonumber(redis.call('HGET', KEYS[1], '~dropped') or '0') - ARGV[1]
if left > 0 then
  redis.call('HSET', KEYS[1], '~dropped', left)
  return left
end
redis.call('HDEL', KEYS[1], '~dropped')
return 0
