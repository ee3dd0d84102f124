/**
 * The leader lease: a key that expires by the server's clock, and the epoch that fences commits.
 * Both change in one script, so no commit of an older leader comes after a grant (L3).
 */

export const ACQUIRE_SCRIPT = `
-- acquire-2: grants the lease unless somebody else holds it; raises the fence.
-- KEYS 1 lease, 2 state
-- ARGV 1 holder, 2 ttl in ms
-- Returns the new epoch, or 0 while somebody else holds it
local held = redis.call('GET', KEYS[1])
if held and string.match(held, '^%d+ (.*)$') ~= ARGV[1] then return 0 end
local epoch = redis.call('HINCRBY', KEYS[2], '@epoch', 1)
redis.call('SET', KEYS[1], string.format('%.0f ', epoch) .. ARGV[1], 'PX', ARGV[2])
return epoch
`;

export const RENEW_SCRIPT = `
-- renew-1: prolongs a term that is not over.
-- KEYS 1 lease
-- ARGV 1 epoch and holder, as stored, 2 ttl in ms
-- Returns 1, or 0 when the term is over
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`;

export const RELEASE_SCRIPT = `
-- release-1: ends a term; nothing if it is over.
-- KEYS 1 lease
-- ARGV 1 epoch and holder, as stored
-- Returns how many terms were ended
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`;
