-- rights: checks that the user may run every command that the scripts use, because a script stops half-way at a command that
-- is refused. For a replica it also checks the commands that are sent outside of scripts.
--
-- KEYS  prefix, meta
-- ARGV  1 to check the rights of a replica (0: of another client)
-- Returns the commands that are refused; none on a server without redis.acl_check_cmd.
-- Keeps: nothing is written.
-- uses: base
local refused = {}
if not redis.acl_check_cmd then return refused end
for _, command in ipairs({
  { 'HSET', 'f', 'v' }, { 'HSETNX', 'f', 'v' }, { 'HGET', 'f' }, { 'HMGET', 'f' }, { 'HGETALL' }, { 'HDEL', 'f' },
  { 'HEXISTS', 'f' }, { 'HINCRBY', 'f', '1' }, { 'HLEN' }, { 'HKEYS' }, { 'HSCAN', '0' }, { 'ZADD', '1', 'm' },
  { 'ZREM', 'm' }, { 'ZREMRANGEBYRANK', '0', '1' }, { 'ZCARD' }, { 'ZCOUNT', '0', '1' }, { 'ZRANGE', '0', '1' },
  { 'ZRANGEBYSCORE', '0', '1' }, { 'ZRANGEBYLEX', '-', '+' }, { 'ZSCORE', 'm' }, { 'ZSCAN', '0' }, { 'SADD', 'm' },
  { 'SREM', 'm' }, { 'SPOP' }, { 'SCARD' }, { 'SMEMBERS' }, { 'SISMEMBER', 'm' }, { 'SSCAN', '0' }, { 'LLEN' },
  { 'LINDEX', '0' }, { 'LRANGE', '0', '1' }, { 'LTRIM', '0', '1' }, { 'LPOP' }, { 'RPUSH', 'v' }, { 'XADD', '*', 'f', 'v' },
  { 'XLEN' }, { 'XRANGE', '-', '+' }, { 'XREVRANGE', '+', '-' }, { 'XTRIM', 'MAXLEN', '1' }, { 'GET' }, { 'SET', 'v' },
  { 'MGET' }, { 'MSET', 'v' }, { 'GETRANGE', '0', '1' }, { 'SETRANGE', '0', 'v' }, { 'EXISTS' }, { 'DEL' }, { 'TYPE' },
  { 'PEXPIRE', '1' }, { 'PTTL' }, { 'PERSIST' }, { 'RENAMENX', P .. 'to' }, { 'SCAN' }, { 'EVAL', '0' }, { 'EVALSHA', '0' },
}) do
  if not redis.acl_check_cmd(command[1], P .. 'rights', unpack(command, 2)) then refused[#refused + 1] = command[1] end
end
if ARGV[1] == '0' then return refused end
for _, command in ipairs({
  { 'BLPOP', P .. 'rights', '1' }, { 'BLMOVE', P .. 'rights', P .. 'to', 'LEFT', 'RIGHT', '1' },
  { 'XREAD', 'STREAMS', P .. 'rights', '0' }, { 'XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', P .. 'rights', '>' },
  { 'XACK', P .. 'rights', 'g', '0' }, { 'XAUTOCLAIM', P .. 'rights', 'g', 'c', '0', '0' },
  { 'XCLAIM', P .. 'rights', 'g', 'c', '0', '0' },
  { 'XPENDING', P .. 'rights', 'g' }, { 'XGROUP', 'CREATE', P .. 'rights', 'g', '$' }, { 'XINFO', 'GROUPS', P .. 'rights' },
  { 'XINFO', 'CONSUMERS', P .. 'rights', 'g' }, { 'XGROUP', 'DELCONSUMER', P .. 'rights', 'g', 'c' },
  { 'ZRANK', P .. 'rights', 'm' }, { 'HSCAN', P .. 'rights', '0' },
}) do
  if not redis.acl_check_cmd(unpack(command)) then refused[#refused + 1] = command[1] end
end
return refused
