-- Adds deliveries and acks to the counters of a namespace.
-- KEYS: 1 of the minute, 2 of the hour, 3 of the day (hash: d deliveries, a acks)
-- ARGV: 1 deliveries, 2 acks, 3 … 5 when the keys may go (ms)
-- Reply: 1
for i = 1, 3 do
  if ARGV[1] ~= '0' then
    redis.call('HINCRBY', KEYS[i], 'd', ARGV[1])
  end
  if ARGV[2] ~= '0' then
    redis.call('HINCRBY', KEYS[i], 'a', ARGV[2])
  end
  redis.call('PEXPIREAT', KEYS[i], ARGV[2 + i])
end
return 1
