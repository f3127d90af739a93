-- Gives a lock back.
-- KEYS: 1 lock
-- ARGV: 1 owner
-- Reply: 1, or 0 when another owner holds it or nobody does
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
