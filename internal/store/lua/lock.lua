-- Takes or renews a lock.
-- KEYS: 1 lock
-- ARGV: 1 owner, 2 end of the lock (ms)
-- Reply: 1, or 0 when another owner holds it
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('PEXPIREAT', KEYS[1], ARGV[2])
return 1
