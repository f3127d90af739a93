-- Keeps what became of a message for some devices, and counts and reports what the push service did.
-- KEYS: 1 message, 2 fates (client id -> state|ms|detail), 3 times (h<mark> -> fates that gave way, the oldest first)
-- ARGV: 1 beginning of the result of a run ('' when this is no run of a push service), 2 most bytes of the result,
--       3 separator, 4 words for texts that found no room (before|behind their number), then for each device
--       client id, fate, text for the result, mark among the times
-- Reply: number of fates that are new, or -1 when the message is gone
-- A fate stays, but that live and pending give way to others, and inbox to delivered and nothing else does; so a job that runs twice counts
-- once. A device is one attempt of the push service, and at most one success, however often the service was away.
local record = redis.call('HMGET', KEYS[1], 'expireAt', 'result', '~more', '~p')
if not record[1] then
  return -1
end
local run = ARGV[1] ~= ''
local limit, more = tonumber(ARGV[2]), tonumber(record[3] or '0')
local before, behind = string.match(ARGV[4], '^([^|]*)|([^|]*)$')
local result = record[2] or ARGV[1]
if more > 0 then
  local tail = ARGV[3] .. before .. string.format('%.0f', more) .. behind
  result = string.sub(result, 1, #result - #tail)
end
local new, sent, taken, past, early, late = 0, 0, 0, false, nil, nil
for i = 5, #ARGV, 4 do
  local old = redis.call('HGET', KEYS[2], ARGV[i])
  local fate = ARGV[i + 1]
  local was = old and string.match(old, '^[^|]*') or ''
  local is = string.match(fate, '^[^|]*')
  if (was == '' and is ~= 'delivered') or (was ~= is and (was == 'live' or was == 'pending' or (was == 'inbox' and is == 'delivered'))) then
    redis.call('HSET', KEYS[2], ARGV[i], fate)
    new = new + 1
    if old then
      local field = 'h' .. ARGV[i + 3]
      local before = redis.call('HGET', KEYS[3], field)
      if not before or #before < 500 then -- a push service that is away again and again must not fill the memory
        redis.call('HSET', KEYS[3], field, before and before .. '\31' .. old or old)
        past = true
      end
    end
    if run and (is == 'apns' or is == 'apns_failed' or is == 'pending') then
      local at = tonumber(string.match(fate, '^[^|]*|(%d+)'))
      if at then
        early, late = math.min(early or at, at), math.max(late or at, at)
      end
    end
    if is == 'apns' then
      taken = taken + 1
    end
    if (is == 'apns' or is == 'apns_failed' or is == 'pending')
      and was ~= 'pending' and (was ~= 'live' or string.sub(old, -6) ~= '|again') then
      sent = sent + 1
    end
    if ARGV[i + 2] ~= '' then
      if more > 0 or #result + #ARGV[3] + #ARGV[i + 2] > limit then
        more = more + 1
      else
        result = result .. ARGV[3] .. ARGV[i + 2]
      end
    end
  end
end
if new > 0 then
  redis.call('PEXPIREAT', KEYS[2], record[1])
end
if past then
  redis.call('PEXPIREAT', KEYS[3], record[1])
end
if early then
  local f, l = string.match(record[4] or '', '^(%d+)|(%d+)$')
  early, late = math.min(early, tonumber(f or early)), math.max(late, tonumber(l or late))
  redis.call('HSET', KEYS[1], '~p', string.format('%.0f|%.0f', early, late))
end
if run then
  redis.call('HINCRBY', KEYS[1], 'apnsCount', sent)
  redis.call('HINCRBY', KEYS[1], 'apnsSuccessCount', taken)
  if more > 0 then
    redis.call('HSET', KEYS[1], '~more', string.format('%.0f', more))
    result = result .. ARGV[3] .. before .. string.format('%.0f', more) .. behind
  end
  redis.call('HSET', KEYS[1], 'result', result)
end
return new
