-- Makes a connection a member of a room; a greater generation of the device wins.
-- KEYS: 1 members (client id -> generation|platform|node|user), 2 index (node -> members, ~platform -> members),
--       3 users (user -> members), 4 devices that ever joined, of this platform
-- ARGV: 1 client id, 2 generation, 3 platform, 4 node, 5 user
-- Reply: -1 when a greater generation is a member, else the sum of
--        1 when the room was empty before, 2 when the device had never joined, 4 when it was not a member
local members, index, users = KEYS[1], KEYS[2], KEYS[3]
local function count(key, field, by)
  if redis.call('HINCRBY', key, field, by) <= 0 then
    redis.call('HDEL', key, field)
  end
end
local cid, gen, platform, node, user = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local value = gen .. '|' .. platform .. '|' .. node .. '|' .. user
local old = redis.call('HGET', members, cid)
local reply = 0
if old ~= value then
  local oldplatform, oldnode, olduser
  if old then
    local oldgen
    oldgen, oldplatform, oldnode, olduser = string.match(old, '^(%d+)|([^|]*)|([^|]*)|(.*)$')
    if tonumber(oldgen) > tonumber(gen) then
      return -1
    end
  elseif redis.call('EXISTS', members) == 0 then
    reply = 5
  else
    reply = 4
  end
  redis.call('HSET', members, cid, value)
  -- Up before down, so that a count that stays never leaves its hash.
  if oldnode ~= node then
    redis.call('HINCRBY', index, node, 1)
  end
  if oldplatform ~= platform then
    redis.call('HINCRBY', index, '~' .. platform, 1)
  end
  if olduser ~= user then
    redis.call('HINCRBY', users, user, 1)
  end
  if old then
    if oldnode ~= node then
      count(index, oldnode, -1)
    end
    if oldplatform ~= platform then
      count(index, '~' .. oldplatform, -1)
    end
    if olduser ~= user then
      count(users, olduser, -1)
    end
  end
end
if redis.call('SADD', KEYS[4], cid) == 1 then
  reply = reply + 2
end
return reply
