/**
 * The one script that writes: many transactions in one call, each atomic on its own. It decides as
 * `transactions/evaluate-transaction.ts` does, in the same order; the contract suite and a property
 * test hold the two together.
 *
 * C1 Nothing is written before everything that could fail has been read: an error means that
 *    nothing was done.
 * C2 A group is applied at most once, however often it arrives: its writer numbers its groups, and
 *    the replies to the newest ones are remembered.
 */
export const COMMIT_SCRIPT = `
-- commit-4: applies a group of transactions, each all or nothing.
-- KEYS 1 state, 2 records, 3 changes, 4 group, 5.. request ids that the group uses
-- ARGV 1 plan, a JSON array of numbers:
--        group, groupTtlMs, nowMs, requestKeptMs, requestTtlMs, changesKeptMax,
--        fields read, fields, transactions, then for each transaction:
--        epoch|null, request (0 = none), checks, puts, deletes, counters,
--        checks  x (field, revision; 0 = absent), puts x (field), deletes x (field),
--        counters x (field, delta, max|null)
--      2.. fields: counters, checked records, other records; then for each transaction the text
--        of each put, and body and answer of its request, both as JSON
-- Returns -7 for a group that arrives after its replies were forgotten: nothing is done now; or
--        for each transaction: its revision, or {-1, epoch} fenced, {-2, check, revision} check,
--        {-3, change, value as text} counter, {-4} request id reused,
--        {-5, revision, answer} repeated, {-6, name} what is stored there is not ours
-- Errors CORRUPT "key": what is stored there is not ours. Nothing was done.
local CHUNK = 2000
local ARGV, KEYS, call, match, format = ARGV, KEYS, redis.call, string.match, string.format
local plan, null = cjson.decode(ARGV[1]), cjson.null
local group, now = plan[1], plan[3]
local readCount = plan[7]

local function corrupt(name) error({ err = 'CORRUPT "' .. name .. '"' }) end

local function read(command, key, ...)
  local reply = redis.pcall(command, key, ...)
  if type(reply) == 'table' and reply.err then corrupt(key) end
  return reply
end

-- Written also when it is a repetition, so that WAIT behind it covers the first time.
local lastGroup, lastReplies = match(read('GET', KEYS[4]) or '', '^(%d+) (.*)$')
if lastGroup and tonumber(lastGroup) >= group then
  if tonumber(lastGroup) > group then return -7 end
  call('PEXPIRE', KEYS[4], plan[2])
  return cmsgpack.unpack(lastReplies)
end

read('HLEN', KEYS[2])
-- By position: revision, epoch, counters, then revisions of the checked records; 0 = absent.
local state = {}
for from = 1, math.max(readCount, 1), CHUNK do
  local to = math.min(from + CHUNK - 1, readCount)
  local part = read('HMGET', KEYS[1], '@revision', '@epoch', unpack(ARGV, from + 1, to + 1))
  for i = from == 1 and 1 or 3, to - from + 3 do state[from + i - 1] = tonumber(part[i] or 0) end
end
local revision, epoch = state[1], state[2]
if not revision or not epoch then corrupt(KEYS[1]) end
local requests = {}
for from = 5, #KEYS, CHUNK do
  local part = call('MGET', unpack(KEYS, from, math.min(from + CHUNK - 1, #KEYS)))
  for i = 1, #part do requests[from - 5 + i] = part[i] end
end

local function repeated(request, body)
  local stored = requests[request]
  if not stored then return nil end
  local first, at, from = match(stored, '^%[(%d+),(%d+),()')
  if not first then return { -6, KEYS[4 + request] } end
  if now - tonumber(at) >= plan[4] then return nil end
  if string.sub(stored, from, from + #body) ~= body .. ',' then return { -4 } end
  return { -5, tonumber(first), string.sub(stored, from + #body + 1, -2) }
end

-- Gives the reply to a transaction that is not done, or the counters after it.
local function decide(at, body)
  if plan[at] ~= null and plan[at] < epoch then return { -1, epoch } end
  local again = plan[at + 1] > 0 and repeated(plan[at + 1], body)
  if again then return again end
  local from = at + 6
  for i = 1, plan[at + 2] do
    local actual = state[2 + plan[from]]
    if not actual then return { -6, ARGV[1 + plan[from]] } end
    if actual ~= plan[from + 1] then return { -2, i, actual } end
    from = from + 2
  end
  from = from + plan[at + 3] + plan[at + 4]
  local after = {}
  for i = 1, plan[at + 5] do
    local counter, delta, max = plan[from], plan[from + 1], plan[from + 2]
    local value = after[counter] or state[2 + counter]
    if not value then return { -6, ARGV[1 + counter] } end
    if delta > 0 and max ~= null and value + delta > max then
      return { -3, i, format('%.0f', value) }
    end
    after[counter] = math.max(0, value + delta)
    from = from + 3
  end
  return nil, after
end

-- The first entry may be refused; nothing is written before it. It also trims, by whole nodes.
local before = revision
local function append(entry)
  local id, oldest, reply = format('%.0f-0', revision), revision - plan[6] + 1, nil
  if revision == before + 1 and oldest > 1 then
    local from = format('%.0f-0', oldest)
    reply = redis.pcall('XADD', KEYS[3], 'MINID', '~', from, id, unpack(entry))
  else
    reply = redis.pcall('XADD', KEYS[3], id, unpack(entry))
  end
  if type(reply) ~= 'table' then return end
  local code = match(reply.err, '^%u+')
  if code == 'WRONGTYPE' or code == 'ERR' then corrupt(KEYS[3]) end
  error(reply)
end

local texts, touched, isTouched = {}, {}, {}
local function set(field, value)
  state[2 + field] = value
  if isTouched[field] then return end
  isTouched[field], touched[#touched + 1] = true, field
end

local function apply(at, text, after)
  revision = revision + 1
  local entry, from, puts = { '@', now }, at + 6 + 2 * plan[at + 2], plan[at + 3]
  for i = 1, puts + plan[at + 4] do
    local record, value = plan[from + i - 1], i <= puts and ARGV[text + i - 1]
    texts[record] = value
    set(record, value and revision or 0)
    entry[#entry + 1] = ARGV[1 + record]
    entry[#entry + 1] = value or ''
  end
  for counter, value in pairs(after) do
    set(counter, value)
    entry[#entry + 1] = ARGV[1 + counter]
    entry[#entry + 1] = value
  end
  append(entry)
end

local replies, kept = {}, {}
local at, text = 10, 2 + plan[8]
for i = 1, plan[9] do
  local request, puts = plan[at + 1], plan[at + 3]
  local body, answer = ARGV[text + puts], ARGV[text + puts + 1]
  local reply, after = decide(at, body)
  if not reply then
    apply(at, text, after)
    reply = revision
    if request > 0 then
      local head = format('[%.0f,%.0f,', revision, now)
      requests[request] = head .. body .. ',' .. answer .. ']'
      kept[request] = true
    end
  end
  replies[i] = reply
  at = at + 6 + 2 * plan[at + 2] + puts + plan[at + 4] + 3 * plan[at + 5]
  text = text + puts + (request > 0 and 2 or 0)
end

local function write(command, key, args)
  for from = 1, #args, CHUNK do
    call(command, key, unpack(args, from, math.min(from + CHUNK - 1, #args)))
  end
end

if revision > before then
  local put, deleted, changed, zero = {}, {}, { '@revision', revision }, {}
  for _, field in ipairs(touched) do
    local name, value, text = ARGV[1 + field], state[2 + field], texts[field]
    if value == 0 then
      zero[#zero + 1] = name
      if text == false then deleted[#deleted + 1] = name end
    else
      local at = #changed
      changed[at + 1], changed[at + 2] = name, value
    end
    if text then
      local at = #put
      put[at + 1], put[at + 2] = name, text
    end
  end
  write('HSET', KEYS[2], put)
  write('HDEL', KEYS[2], deleted)
  write('HSET', KEYS[1], changed)
  write('HDEL', KEYS[1], zero)
  for request in pairs(kept) do
    call('SET', KEYS[4 + request], requests[request], 'PX', plan[5])
  end
end
call('SET', KEYS[4], format('%.0f ', group) .. cmsgpack.pack(replies), 'PX', plan[2])
return replies
`;
