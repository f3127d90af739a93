-- Removes a field, if it still has the value that was read.
-- KEYS: 1 hash
-- ARGV: 1 field, 2 value read
-- Reply: 1, or 0 when it was changed in between
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
return redis.call('HDEL', KEYS[1], ARGV[1])
