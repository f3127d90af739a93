-- Adds deliveries and acks, and their times, to a message that still exists; a device counts once, its first ack.
-- KEYS: 1 message, 2 web, 3 ios, 4 android devices that have acked, 5 times (a<mark> -> ms behind sendDate)
-- ARGV: 1 connections written to, 2 node that wrote, 3 when first, 4 when last (ms), 5 number of web, 6 of ios, 7 of android
--       acks, 8 earliest, 9 latest of them (ms behind sendDate), 10… their client ids in that order, each once, then for each
--       of them its field of the times and ms behind sendDate
-- Reply: devices newly counted, or -1 when the message is gone
-- The field ~a has the span of all acks and one device: first|last|a<mark>|ms behind sendDate. A message that one device acks
-- needs no more than that.
local record = redis.call('HMGET', KEYS[1], 'expireAt', '~a')
local expire, span = record[1], record[2]
if not expire then
  return -1
end
if ARGV[1] ~= '0' then
  redis.call('HINCRBY', KEYS[1], 'onlineClientCount', ARGV[1])
  local field = '~w' .. ARGV[2]
  record = redis.call('HMGET', KEYS[1], 'sendDate', field)
  -- More nodes than this would make a table of the record, which costs three times the memory.
  if record[1] and (record[2] or redis.call('HLEN', KEYS[1]) < 300) then
    local first, last, n = ARGV[3] - record[1], ARGV[4] - record[1], tonumber(ARGV[1])
    if record[2] then
      local f, l, before = string.match(record[2], '^(-?%d+)|(-?%d+)|(%d+)$')
      first, last, n = math.min(first, tonumber(f)), math.max(last, tonumber(l)), n + tonumber(before)
    end
    redis.call('HSET', KEYS[1], field, string.format('%.0f|%.0f|%.0f', first, last, n))
  end
end
local all, total, from = ARGV[5] + ARGV[6] + ARGV[7], 0, 10
if all == 0 then
  return 0
end
for p = 1, 3 do
  local n = tonumber(ARGV[4 + p])
  if n > 0 then
    local added = redis.call('SADD', KEYS[1 + p], unpack(ARGV, from, from + n - 1))
    from = from + n
    if added > 0 then
      total = total + added
      redis.call('PEXPIREAT', KEYS[1 + p], expire)
      if p > 1 then
        redis.call('HINCRBY', KEYS[1], p == 2 and 'ackIOSCount' or 'ackAndroidCount', added)
      end
    end
  end
end
if total == 0 then
  return 0
end
redis.call('HINCRBY', KEYS[1], 'ackCount', total)
local low, high, name, at = tonumber(ARGV[8]), tonumber(ARGV[9]), ARGV[from], ARGV[from + 1]
if total == all then
  if all > 1 or span then
    redis.call('HSET', KEYS[5], unpack(ARGV, from, from + 2 * all - 1))
  end
else -- some have acked before
  local one = span and string.match(span, '|([^|]*)|[^|]*$')
  local known = redis.call('HMGET', KEYS[5], unpack(ARGV, from, from + 2 * all - 1))
  local new = 0
  low, high = nil, nil
  for i = 1, 2 * all, 2 do
    if not known[i] and ARGV[from + i - 1] ~= one then
      name, at, new = ARGV[from + i - 1], tonumber(ARGV[from + i]), new + 1
      low, high = math.min(low or at, at), math.max(high or at, at)
    end
  end
  if new ~= total then -- one acked when no times were kept: it is not known which
    return total
  end
  for i = 1, 2 * all, 2 do
    if (new > 1 or span) and not known[i] and ARGV[from + i - 1] ~= one then
      redis.call('HSET', KEYS[5], ARGV[from + i - 1], ARGV[from + i])
    end
  end
end
if total > 1 or span then
  redis.call('PEXPIREAT', KEYS[5], expire)
end
if span then
  local f, l, rest = string.match(span, '^(-?%d+)|(-?%d+)(|.*)$')
  low, high = math.min(low, tonumber(f)), math.max(high, tonumber(l))
  redis.call('HSET', KEYS[1], '~a', string.format('%.0f|%.0f', low, high) .. rest)
else
  redis.call('HSET', KEYS[1], '~a', string.format('%.0f|%.0f|', low, high) .. name .. '|' .. at)
end
return total
