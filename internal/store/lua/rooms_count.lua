-- Adds the transitions of rooms between empty and not empty to a namespace's list of rooms.
-- KEYS: 1 rooms (room -> 1)
-- ARGV: pairs of room and delta
-- Reply: number of rooms listed now
-- A room that is left and joined by different processes may pass through -1
-- or 2 for a moment; the sum of all transitions is 0 or 1.
for i = 1, #ARGV, 2 do
  if redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) == 0 then
    redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
return redis.call('HLEN', KEYS[1])
