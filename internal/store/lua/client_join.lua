-- Marks a device online and adds rooms to those it has ever joined, if this generation is the newest.
-- KEYS: 1 client record, 2 its rooms
-- ARGV: 1 generation, 2 node, 3… rooms
-- Reply: 1, or 0 when another generation holds the client
-- The node is written with every join because a connection that was expelled
-- while it was cut off enters anew with its generation.
if redis.call('HGET', KEYS[1], '~gen') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], '~node', ARGV[2], '~on', ARGV[1])
for i = 3, #ARGV do
  redis.call('SADD', KEYS[2], ARGV[i])
end
return 1
