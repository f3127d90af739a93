-- Begins an attempt at a request, unless there was one.
-- KEYS: 1 the request's key (p|request|owner while an attempt is under way, d|request|answer when it is done)
-- ARGV: 1 this attempt (p|request|owner), 2 how long it counts as under way (ms)
-- Reply: '' when it has begun, else what there was
local there = redis.call('GET', KEYS[1])
if there then
  return there
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ''
