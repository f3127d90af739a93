-- Marks a device online and adds rooms to those it has ever joined, if this generation is the newest.
-- KEYS: 1 client record, 2 its rooms (room -> generation that joined last)
-- ARGV: 1 generation, 2 node, 3 session (generation|pid|sid, '-' to end the one there is, '' to leave it), 4… rooms
-- Reply: 1, or 0 when another generation holds the client
-- The node is written with every join because a connection that was expelled
-- while it was cut off enters anew with its generation. The new session takes
-- the place of the one it may have continued: that can be done once.
if redis.call('HGET', KEYS[1], '~gen') ~= ARGV[1] then
  return 0
end
if ARGV[3] == '' or ARGV[3] == '-' then
  redis.call('HSET', KEYS[1], '~node', ARGV[2], '~on', ARGV[1])
  if ARGV[3] == '-' then
    redis.call('HDEL', KEYS[1], '~s', '~u')
  end
else
  redis.call('HSET', KEYS[1], '~node', ARGV[2], '~on', ARGV[1], '~s', ARGV[3], '~u', '')
end
for i = 4, #ARGV do
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[1])
end
return 1
