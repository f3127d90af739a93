-- Takes a forgotten device out of those seen in its namespace, unless it has come back.
-- KEYS: 1 devices seen (client id by last connect)
-- ARGV: 1 client id, 2 time it must not have been seen after (ms)
-- Reply: 1, or 0 when it has come back or was not listed
local at = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not at or tonumber(at) > tonumber(ARGV[2]) then
  return 0
end
return redis.call('ZREM', KEYS[1], ARGV[1])
