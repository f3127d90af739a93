-- Notes in a message's record that its offline delivery is over.
-- KEYS: 1 message
-- ARGV: 1 result, unless the record has one already; '' for none
-- Reply: 1, or 0 when the message is gone
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
local time = redis.call('TIME')
redis.call('HSETNX', KEYS[1], '~done', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
if ARGV[1] ~= '' then
  redis.call('HSETNX', KEYS[1], 'result', ARGV[1])
end
return 1
