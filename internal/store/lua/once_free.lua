-- Ends an attempt at a request that has come to nothing.
-- KEYS: 1 the request's key (p|request|owner while an attempt is under way, d|request|answer when it is done)
-- ARGV: 1 the attempt (p|request|owner)
-- Reply: 1, or 0 when another attempt is under way, or one is done
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
