-- wrk's script: one push per request, each to the room of one of 10,000 users.
local room = 0
local filling = string.rep("x", 128)
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = os.getenv("CREDENTIALS")
local path = os.getenv("ROUTE")
request = function()
  room = (room + 7919) % 10000
  return wrk.format(nil, path, nil, '{"room":"user_' .. room .. '","pushData":{"text":"' .. filling .. '"}}')
end
-- One line for the program that reads it: answers, other than 2xx, socket errors, microseconds, latency p50 and p99.
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d %d\n", summary.requests, e.status, e.connect + e.read + e.write + e.timeout,
    summary.duration, latency:percentile(50), latency:percentile(99)))
end
