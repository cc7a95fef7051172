-- uses: base
-- The totals that stats reports, and the rates of queues.

-- count adds to a total. rate adds to the number of tasks made ('in') or ended ('out') in a queue within five seconds. write
-- writes both, once per call. Best effort: it ignores a field that is not a number.
local totals, rates = {}, {}
function Totals.count(name, n) totals[name] = (totals[name] or 0) + (n or 1) end
function Totals.rate(way, queue, n)
  local field = way .. ':' .. queue
  rates[field] = (rates[field] or 0) + (n or 1)
end
function Totals.write()
  for name, n in pairs(totals) do redis.pcall('HINCRBY', P .. 'stats', name, n) end
  if not next(rates) then return end
  local load = P .. 'load:' .. math.floor(NOW / 5000)
  for field, n in pairs(rates) do
    if redis.pcall('HINCRBY', load, field, n) == n then redis.pcall('PEXPIRE', load, 90000) end
  end
end
