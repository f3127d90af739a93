-- Ends a connection's membership of a room.
-- KEYS: 1 members (client id -> generation|platform|node|user), 2 index (node -> members, ~platform -> members),
--       3 users (user -> members), 4 devices that ever joined, of this platform
-- ARGV: 1 client id, 2 generation, 3 mode:
--         keep    disconnected: only this generation's entry; the device stays in the offline audience
--         forget  left on purpose: this or an older generation's entry, and out of the offline audience,
--                 even when the device is not online in the room
--         undo    a join that came too late: this generation's entry, and with it out of the offline audience
-- Reply: -1 when another generation is a member and was not touched, else the sum of
--        1 when the room became empty, 2 when a member was removed
local members, index, users = KEYS[1], KEYS[2], KEYS[3]
local function count(key, field)
  if redis.call('HINCRBY', key, field, -1) <= 0 then
    redis.call('HDEL', key, field)
  end
end
local cid, gen, mode = ARGV[1], ARGV[2], ARGV[3]
local old = redis.call('HGET', members, cid)
local reply = 0
if old then
  local oldgen, platform, node, user = string.match(old, '^(%d+)|([^|]*)|([^|]*)|(.*)$')
  if oldgen ~= gen and (mode ~= 'forget' or tonumber(oldgen) > tonumber(gen)) then
    return -1
  end
  redis.call('HDEL', members, cid)
  count(index, node)
  count(index, '~' .. platform)
  count(users, user)
  reply = 2
  if redis.call('EXISTS', members) == 0 then
    reply = 3
  end
end
if mode == 'forget' or (mode == 'undo' and reply > 0) then
  redis.call('SREM', KEYS[4], cid)
end
return reply
