-- Prints what wrk has measured, a name and a number a line, for measure.py.
done = function(summary, latency, requests)
  local errors = summary.errors
  local told = {
    requests = summary.requests,
    us = summary.duration,
    p50 = latency:percentile(50),
    p99 = latency:percentile(99),
    p999 = latency:percentile(99.9),
    errors = errors.connect + errors.read + errors.write + errors.status + errors.timeout,
  }
  for name, number in pairs(told) do
    io.write(string.format("measured %s %d\n", name, number))
  end
end
