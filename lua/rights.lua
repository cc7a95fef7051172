-- rights: checks that the user may run every command that the scripts use, because a script stops half-way at a command that
-- is refused. For a replica it also checks the commands that are sent outside of scripts.
--
-- KEYS  prefix, meta
-- ARGV  whether to check the rights of a replica: 1 or 0
-- Returns 1 if the user may run all commands that read and none that writes, else 0; then the commands that are refused. No
--       command is refused on a server without redis.acl_check_cmd.
-- Keeps: nothing is written.
-- uses: base
local refused = {}
if not redis.acl_check_cmd then return { 0 } end

-- check adds the refused commands of a list to refused. It returns how many are refused.
local function check(commands)
  local before = #refused
  for _, command in ipairs(commands) do
    if not redis.acl_check_cmd(unpack(command)) then refused[#refused + 1] = command[1] end
  end
  return #refused - before
end

local KEY = P .. 'rights'
local READING = {
  { 'HGET', KEY, 'f' }, { 'HMGET', KEY, 'f' }, { 'HGETALL', KEY }, { 'HEXISTS', KEY, 'f' }, { 'HLEN', KEY },
  { 'HKEYS', KEY }, { 'HSCAN', KEY, '0' }, { 'ZCARD', KEY }, { 'ZCOUNT', KEY, '0', '1' }, { 'ZRANGE', KEY, '0', '1' },
  { 'ZRANGEBYSCORE', KEY, '0', '1' }, { 'ZRANGEBYLEX', KEY, '-', '+' }, { 'ZSCORE', KEY, 'm' }, { 'ZMSCORE', KEY, 'm' },
  { 'ZSCAN', KEY, '0' },
  { 'SCARD', KEY }, { 'SMEMBERS', KEY }, { 'SISMEMBER', KEY, 'm' }, { 'SSCAN', KEY, '0' }, { 'LLEN', KEY },
  { 'LINDEX', KEY, '0' }, { 'LRANGE', KEY, '0', '1' }, { 'XLEN', KEY }, { 'XRANGE', KEY, '-', '+' },
  { 'XREVRANGE', KEY, '+', '-' }, { 'GET', KEY }, { 'MGET', KEY }, { 'GETRANGE', KEY, '0', '1' }, { 'EXISTS', KEY },
  { 'STRLEN', KEY }, { 'ZLEXCOUNT', KEY, '-', '+' }, { 'TIME' },
  { 'TYPE', KEY }, { 'PTTL', KEY }, { 'SCAN', '0' }, { 'EVAL_RO', 'return 1', '1', KEY }, { 'EVALSHA_RO', '0', '1', KEY },
}
local WRITING = {
  { 'HSET', KEY, 'f', 'v' }, { 'HSETNX', KEY, 'f', 'v' }, { 'HDEL', KEY, 'f' }, { 'HINCRBY', KEY, 'f', '1' },
  { 'ZADD', KEY, '1', 'm' }, { 'ZREM', KEY, 'm' }, { 'ZREMRANGEBYRANK', KEY, '0', '1' }, { 'SADD', KEY, 'm' },
  { 'SREM', KEY, 'm' }, { 'SPOP', KEY }, { 'LTRIM', KEY, '0', '1' }, { 'LPOP', KEY }, { 'RPUSH', KEY, 'v' },
  { 'XADD', KEY, '*', 'f', 'v' }, { 'XDEL', KEY, '0' }, { 'XTRIM', KEY, 'MAXLEN', '1' }, { 'SET', KEY, 'v' },
  { 'MSET', KEY, 'v' }, { 'SETRANGE', KEY, '0', 'v' }, { 'DEL', KEY }, { 'UNLINK', KEY },
  { 'PEXPIRE', KEY, '1' }, { 'PERSIST', KEY },
  { 'RENAMENX', KEY, P .. 'to' }, { 'EVAL', 'return 1', '1', KEY }, { 'EVALSHA', '0', '1', KEY },
}
local unread, unwritten = check(READING), check(WRITING)
local reply = { unread == 0 and unwritten == #WRITING and 1 or 0 }
if ARGV[1] == '1' then
  check({
    { 'BLPOP', KEY, '1' }, { 'BLMOVE', KEY, P .. 'to', 'LEFT', 'RIGHT', '1' }, { 'XREAD', 'STREAMS', KEY, '0' },
    { 'XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', KEY, '>' }, { 'XACK', KEY, 'g', '0' },
    { 'XAUTOCLAIM', KEY, 'g', 'c', '0', '0' }, { 'XCLAIM', KEY, 'g', 'c', '0', '0' }, { 'XPENDING', KEY, 'g' },
    { 'XGROUP', 'CREATE', KEY, 'g', '$' }, { 'XINFO', 'GROUPS', KEY },
    { 'XINFO', 'CONSUMERS', KEY }, { 'XGROUP', 'DELCONSUMER', KEY, 'g', 'c' }, { 'ZRANK', KEY, 'm' }, { 'HSCAN', KEY, '0' },
  })
end
for _, command in ipairs(refused) do reply[#reply + 1] = command end
return reply
