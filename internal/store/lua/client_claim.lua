-- Makes a connection the newest of its client id.
-- KEYS: 1 client record
-- ARGV: 1 user, 2 now (ms)
-- Reply: {generation, node of the connection that is online ('' for none), its generation (0 for none)}
-- A generation is never below the time of its claim, so that generations grow
-- even when the record was deleted in between. Who is online changes only
-- when the new connection enters: a claim whose reply was lost can be
-- repeated and still names the connection that has to go.
local key = KEYS[1]
local old = redis.call('HMGET', key, '~gen', '~node', '~on')
local gen = tonumber(old[1] or '0') + 1
if gen < tonumber(ARGV[2]) then
  gen = tonumber(ARGV[2])
end
redis.call('HSET', key, '~gen', string.format('%.0f', gen), 'userid', ARGV[1], 'last_connect_time', ARGV[2])
redis.call('HSETNX', key, 'first_connect_time', ARGV[2])
return {gen, old[2] or '', tonumber(old[3] or '0')}
