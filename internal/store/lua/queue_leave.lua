-- Returns the jobs that a worker holds to the front of the queue and forgets the worker.
-- KEYS: 1 ready (list of ids, oldest last), 2 workers (zset: worker -> end of lease, ms), 3 the worker's list of ids
-- ARGV: 1 worker
-- Reply: number of jobs returned
redis.call('ZREM', KEYS[2], ARGV[1])
local returned = 0
while true do
  local id = redis.call('LPOP', KEYS[3])
  if not id then
    return returned
  end
  redis.call('RPUSH', KEYS[1], id)
  returned = returned + 1
end
