-- Removes a namespace's configuration, if it is still the one that was read.
-- KEYS: 1 namespaces (key -> configuration)
-- ARGV: 1 namespace, 2 configuration read
-- Reply: 1, or 0 when it was changed in between
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
return redis.call('HDEL', KEYS[1], ARGV[1])
