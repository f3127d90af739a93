-- Forgets a device that is offline and was not seen for long.
-- KEYS: 1 client record, 2 its rooms, 3 its rooms that are still to be left, 4 muted rooms, 5 inbox
-- ARGV: 1 time it must not have been seen after (ms)
-- Reply: generation of its last connection ('0' when it has no record), or '' when it is online or was seen since
-- The rooms live under other hash tags, so they are left in a second step; until that is done KEYS[3] names them.
local r = redis.call('HMGET', KEYS[1], '~on', '~gen', 'last_connect_time', 'last_disconnect_time')
if r[1] then
  return ''
end
local before = tonumber(ARGV[1])
if tonumber(r[3] or '0') > before or tonumber(r[4] or '0') > before then
  return ''
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  if redis.call('EXISTS', KEYS[3]) == 1 then
    return ''
  end
  redis.call('RENAME', KEYS[2], KEYS[3])
end
redis.call('UNLINK', KEYS[1], KEYS[4], KEYS[5])
return r[2] or '0'
