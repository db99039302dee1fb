// The limiter's scripts. They run on one Redis server, not on a cluster of them: the key of the
// day follows from the server's own clock, which no caller can set wrong. Every key expires.
//
//   …:config          the limits, JSON, for five minutes; from then on the next caller's
//   …:sem             who holds a slot: `holder#attempt`, by the time of the last renewal
//   …:rpm             GCRA: the time at which the minute's allowance would be whole again
//   …:rpd:{day}       calls of the day
//   …:cooldown        no calls before this time, because the provider said so
//   …:ceiling         how many slots the provider seems to bear, after it said so
//   …:queue, …:due    who was refused, by seniority, and when each was told to come back

const prelude = `
local prefix = ARGV[1]
local sem, rpm = prefix .. ':sem', prefix .. ':rpm'
local queue, due = prefix .. ':queue', prefix .. ':due'
local cooldown, ceiling = prefix .. ':cooldown', prefix .. ':ceiling'
local time = redis.call('TIME')
local now = tonumber(ARGV[2]) or (time[1] * 1000 + math.floor(time[2] / 1000))
local holder, attempt = ARGV[3], tonumber(ARGV[4])
local member = holder .. '#' .. ARGV[4]

-- The slots of this holder: its attempts, and whether there is a later one than this.
local function ownSlots()
  local own, isSuperseded = {}, false
  for _, name in ipairs(redis.call('ZRANGE', sem, 0, -1)) do
    if string.sub(name, 1, #holder + 1) == holder .. '#' then
      own[#own + 1] = name
      if tonumber(string.sub(name, #holder + 2)) > attempt then isSuperseded = true end
    end
  end
  return own, isSuperseded
end

local function hold(leaseMs)
  redis.call('ZADD', sem, now, member)
  redis.call('PEXPIRE', sem, 2 * leaseMs)
end
`

/**
 * All limits are looked at first; then everything is taken, or nothing (TR5). What lies in the
 * future because a clock was set back is brought to the present, so that it ends.
 * ARGV: prefix, now, holder, attempt, limits, isResumed, lease, random. Returns reason and delay.
 */
export const acquireScript = `${prelude}
local isResumed, leaseMs, random = ARGV[6] == '1', tonumber(ARGV[7]), tonumber(ARGV[8])
local graceMs, lateMs, waitingMax, windowMs = 250, 3000, 10000, 62000

local cached = redis.call('GET', prefix .. ':config')
local isRead, limits = pcall(cjson.decode, cached or ARGV[5])
if not isRead then limits = cjson.decode(ARGV[5]) end
if not (cached and isRead) then redis.call('SET', prefix .. ':config', ARGV[5], 'EX', 300) end

redis.call('ZREMRANGEBYSCORE', sem, '-inf', '(' .. now - leaseMs)
for _, name in ipairs(redis.call('ZRANGEBYSCORE', sem, '(' .. now, '+inf')) do
  redis.call('ZADD', sem, now, name)
end
local own, isSuperseded = ownSlots()
if isSuperseded then return {'superseded', 0} end

-- How much is free of each, and when there would be more of it.
local free, freeSlots, max = math.huge, math.huge, limits.maxConcurrency
if max then
  local learnt = tonumber(redis.call('GET', ceiling))
  if learnt then max = math.max(1, math.min(max, math.floor(learnt))) end
  freeSlots = max - redis.call('ZCARD', sem) + #own
  if #own > 0 then freeSlots = math.max(1, freeSlots) end
  free = freeSlots
end
if isResumed then
  if free < 1 then return {'slots', math.floor(500 + 500 * random)} end
  for _, name in ipairs(own) do redis.call('ZREM', sem, name) end
  hold(leaseMs)
  return {'allowed', 0}
end

local freshAt, gapMs, burst = now, 0, 1
if limits.maxPerMinute then
  burst = math.max(1, math.floor(limits.maxPerMinute / 20))
  gapMs = windowMs / (limits.maxPerMinute - burst + 1)
  freshAt = math.max(now, tonumber(redis.call('GET', rpm)) or 0)
  if freshAt > now + burst * gapMs + 1 then
    freshAt = now + burst * gapMs
    redis.call('SET', rpm, freshAt, 'PX', windowMs)
  end
  free = math.min(free, math.floor((now + burst * gapMs - freshAt) / gapMs + 1e-6))
end
local midnight = (math.floor(now / 86400000) + 1) * 86400000
local dayKey, freeToday = nil, math.huge
if limits.maxPerDay then
  -- Days since 1970 to a date: Howard Hinnant, "chrono-compatible low-level date algorithms".
  local z = math.floor(now / 86400000) + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524)
    - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  local day = doy - math.floor((153 * mp + 2) / 5) + 1
  dayKey = string.format('%s:rpd:%04d-%02d-%02d', prefix, year, month, day)
  freeToday = limits.maxPerDay - (tonumber(redis.call('GET', dayKey)) or 0)
  free = math.min(free, freeToday)
end
local coolMs = math.max(0, (tonumber(redis.call('GET', cooldown)) or 0) - now)
if coolMs > 0 then free = 0 end

-- What is free belongs first to those who were refused earlier and are about to come back.
for _, name in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', now - lateMs, 'LIMIT', 0, 100)) do
  redis.call('ZREM', queue, name)
  redis.call('ZREM', due, name)
end
local ahead = 0
if free > 0 and free < 200 then
  for _, name in ipairs(redis.call('ZRANGE', queue, 0, 199)) do
    if name == holder or ahead >= free then break end
    if tonumber(redis.call('ZSCORE', due, name) or now) <= now + graceMs then ahead = ahead + 1 end
  end
end

if free > ahead then
  for _, name in ipairs(own) do redis.call('ZREM', sem, name) end
  hold(leaseMs)
  if gapMs > 0 then redis.call('SET', rpm, freshAt + gapMs, 'PX', windowMs) end
  if dayKey then
    redis.call('INCR', dayKey)
    redis.call('EXPIRE', dayKey, 86400)
  end
  redis.call('ZREM', queue, holder)
  redis.call('ZREM', due, holder)
  return {'allowed', 0}
end

local waiting = redis.call('ZCARD', queue)
local place = redis.call('ZRANK', queue, holder) or waiting
local reason, delayMs = 'slots', 500 + 500 * place / (max or 1)
if coolMs > 0 then
  reason, delayMs = 'cooldown', coolMs + place * math.max(gapMs, 100)
elseif freeToday < 1 then
  reason, delayMs = 'day', midnight - now
elseif freeSlots >= 1 and gapMs > 0 then
  reason, delayMs = 'minute', freshAt - (burst - 1) * gapMs - now + place * gapMs
end
if reason ~= 'day' then delayMs = math.min(math.max(delayMs, 100), math.max(coolMs, 15000)) end
delayMs = math.ceil(delayMs + random * math.min(delayMs / 4, 10000))
if place < waitingMax then
  redis.call('ZADD', queue, 'NX', now, holder)
  redis.call('ZADD', due, now + delayMs, holder)
  redis.call('EXPIRE', queue, 86400)
  redis.call('EXPIRE', due, 86400)
end
return {reason, delayMs}`

/**
 * ARGV: prefix, now, holder, attempt, lease. A slot that Redis lost is entered again, whatever
 * is free: the call is open at the provider. 0 when a later attempt holds the slot.
 */
export const renewScript = `${prelude}
local own, isSuperseded = ownSlots()
if isSuperseded then return 0 end
hold(tonumber(ARGV[5]))
return 1`

/** ARGV: prefix, now, holder, attempt, whether the provider did what it was asked. */
export const releaseScript = `${prelude}
local removed = redis.call('ZREM', sem, member)
local learnt = tonumber(redis.call('GET', ceiling))
if learnt and removed == 1 and ARGV[5] == '1' then
  redis.call('SET', ceiling, learnt + 1 / learnt, 'KEEPTTL')
end
return removed`

/**
 * ARGV: prefix, now, '', 0, duration, how long the lower ceiling is remembered at most. Only the
 * first 429 of a cooldown lowers the ceiling: the others were under way already.
 */
export const coolDownScript = `${prelude}
local untilMs, memoryMs = now + tonumber(ARGV[5]), tonumber(ARGV[6])
local current = tonumber(redis.call('GET', cooldown)) or 0
if current <= now then
  local open = tonumber(redis.call('GET', ceiling)) or math.huge
  open = math.min(open, redis.call('ZCARD', sem))
  redis.call('SET', ceiling, math.max(1, math.floor(open / 2)), 'PX', memoryMs)
end
if untilMs > current then
  redis.call('SET', cooldown, untilMs, 'PX', math.max(1, untilMs - now))
end
return 1`
