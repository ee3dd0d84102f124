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
-- commit-6: applies a group of transactions, each all or nothing.
-- KEYS 1 meta, 2 records, 3 revisions, 4 counters, 5 changes, 6 writer, 7.. used request ids
-- ARGV 1 plan, a JSON array of numbers:
--        group, slots, writerTtlMs, nowMs, requestKeptMs, requestTtlMs, changesKeptMax,
--        checkedRecords, records, counters, transactions, then for each transaction:
--        epoch|null, request (0 = none), checks, puts, deletes, counters,
--        checks  x (record, revision; 0 = absent), puts x (record), deletes x (record),
--        counters x (counter, delta, max|null)
--      2.. record keys (checked ones first), counter keys, then for each transaction the text of
--        each put, and body and answer of its request, both as JSON
-- Returns -7 for a group that arrives after its replies were forgotten: nothing is done now; or
--        for each transaction: its revision, or {-1, epoch} fenced, {-2, check, revision} check,
--        {-3, change, value as text} counter, {-4} request id reused, {-5, revision, answer} repeated,
--        {-6, name} what is stored there is not ours
-- Errors CORRUPT "key": what is stored there is not ours. Nothing was done.
local CHUNK = 2000
local ARGV, KEYS, call, match, format = ARGV, KEYS, redis.call, string.match, string.format
local plan, null = cjson.decode(ARGV[1]), cjson.null
local group, slots, now = plan[1], plan[2], plan[4]
local checkedCount, recordCount, counterCount = plan[8], plan[9], plan[10]

local function corrupt(name) error({ err = 'CORRUPT "' .. name .. '"' }) end

local function read(command, key, ...)
  local reply = redis.pcall(command, key, ...)
  if type(reply) == 'table' and reply.err then corrupt(key) end
  return reply
end

local function readFields(key, first, count)
  local values, last = {}, first + count - 1
  for from = first, last, CHUNK do
    local to = math.min(from + CHUNK - 1, last)
    local part = read('HMGET', key, unpack(ARGV, from, to))
    for i = 1, to - from + 1 do values[from - first + i] = part[i] end
  end
  return values
end

local slot = group % slots
local lastGroup, lastReplies = match(read('HGET', KEYS[6], slot) or '', '^(%d+) (.*)$')
if lastGroup and tonumber(lastGroup) >= group then
  if tonumber(lastGroup) > group then return -7 end
  call('PEXPIRE', KEYS[6], plan[3])
  return cmsgpack.unpack(lastReplies)
end

local meta = read('HMGET', KEYS[1], 'revision', 'epoch')
local revision, epoch = tonumber(meta[1] or 0), tonumber(meta[2] or 0)
if not revision or not epoch then corrupt(KEYS[1]) end
read('HLEN', KEYS[2])
read('HLEN', KEYS[3])
local revisions = readFields(KEYS[3], 2, checkedCount)
for i = 1, checkedCount do
  revisions[i] = tonumber(revisions[i] or 0)
end
local counters = readFields(KEYS[4], 2 + recordCount, counterCount)
for i = 1, counterCount do
  counters[i] = tonumber(counters[i] or 0)
end
local requests = {}
for from = 7, #KEYS, CHUNK do
  local part = call('MGET', unpack(KEYS, from, math.min(from + CHUNK - 1, #KEYS)))
  for i = 1, #part do requests[from - 7 + i] = part[i] end
end

local function repeated(request, body)
  local stored = requests[request]
  if not stored then return nil end
  local first, at, from = match(stored, '^%[(%d+),(%d+),()')
  if not first then return { -6, KEYS[6 + request] } end
  if now - tonumber(at) >= plan[5] then return nil end
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
    local actual = revisions[plan[from]]
    if not actual then return { -6, ARGV[1 + plan[from]] } end
    if actual ~= plan[from + 1] then return { -2, i, actual } end
    from = from + 2
  end
  from = from + plan[at + 3] + plan[at + 4]
  local after = {}
  for i = 1, plan[at + 5] do
    local counter, delta, max = plan[from], plan[from + 1], plan[from + 2]
    local value = after[counter] or counters[counter]
    if not value then return { -6, ARGV[1 + recordCount + counter] } end
    if delta > 0 and max ~= null and value + delta > max then
      return { -3, i, format('%.0f', value) }
    end
    after[counter] = math.max(0, value + delta)
    from = from + 3
  end
  return nil, after
end

local texts, touched, written = {}, {}, {}
local function touch(record, text)
  if texts[record] == nil then touched[#touched + 1] = record end
  texts[record], revisions[record] = text, text and revision or 0
end

-- The first entry may be refused; nothing is written before it.
local function append(entry)
  local reply = redis.pcall('XADD', KEYS[5], format('%.0f-0', revision), unpack(entry))
  if type(reply) ~= 'table' then return end
  local code = match(reply.err, '^%u+')
  if code == 'WRONGTYPE' or code == 'ERR' then corrupt(KEYS[5]) end
  error(reply)
end

local function apply(at, text, after)
  revision = revision + 1
  local entry, from = { '@', now }, at + 6 + 2 * plan[at + 2]
  for i = 1, plan[at + 3] + plan[at + 4] do
    local record, isPut = plan[from], i <= plan[at + 3]
    touch(record, isPut and ARGV[text + i - 1])
    entry[#entry + 1] = ARGV[1 + record]
    entry[#entry + 1] = isPut and ARGV[text + i - 1] or ''
    from = from + 1
  end
  for counter, value in pairs(after) do
    counters[counter], written[counter] = value, true
    entry[#entry + 1] = '=' .. ARGV[1 + recordCount + counter]
    entry[#entry + 1] = value
  end
  append(entry)
end

local replies, kept, before = {}, {}, revision
local at, text = 12, 2 + recordCount + counterCount
for i = 1, plan[11] do
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
  local put, stamped, deleted, counted, zero = {}, {}, {}, {}, {}
  for _, record in ipairs(touched) do
    local name, value = ARGV[1 + record], texts[record]
    if value then
      local at = #put
      put[at + 1], put[at + 2] = name, value
      stamped[at + 1], stamped[at + 2] = name, revisions[record]
    else
      deleted[#deleted + 1] = name
    end
  end
  for counter in pairs(written) do
    local name, at = ARGV[1 + recordCount + counter], #counted
    if counters[counter] > 0 then
      counted[at + 1], counted[at + 2] = name, counters[counter]
    else
      zero[#zero + 1] = name
    end
  end
  write('HSET', KEYS[2], put)
  write('HSET', KEYS[3], stamped)
  write('HDEL', KEYS[2], deleted)
  write('HDEL', KEYS[3], deleted)
  write('HSET', KEYS[4], counted)
  write('HDEL', KEYS[4], zero)
  for request in pairs(kept) do
    call('SET', KEYS[6 + request], requests[request], 'PX', plan[6])
  end
  call('HSET', KEYS[1], 'revision', revision)
  local oldest = revision - plan[7] + 1
  if oldest > 1 then call('XTRIM', KEYS[5], 'MINID', '~', format('%.0f-0', oldest)) end
end
call('HSET', KEYS[6], slot, format('%.0f ', group) .. cmsgpack.pack(replies))
call('PEXPIRE', KEYS[6], plan[3])
return replies
`;
