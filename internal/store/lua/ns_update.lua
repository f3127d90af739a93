-- Stores a namespace's configuration, if it is still the one that was read.
-- KEYS: 1 namespaces (key -> configuration)
-- ARGV: 1 namespace, 2 configuration read ('' for absent), 3 new configuration
-- Reply: 1, or 0 when it was changed in between
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
