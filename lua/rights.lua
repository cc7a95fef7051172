-- rights: looks whether the user may run every command that the scripts use, before one of them stops half-way.
--
-- KEYS  prefix, meta
-- Returns the commands that are refused; none on servers that cannot tell.
-- Keeps: nothing is written.
-- uses: base
local refused = {}
if not redis.acl_check_cmd then return refused end
for _, command in ipairs({
  { 'HSET', 'f', 'v' }, { 'HSETNX', 'f', 'v' }, { 'HGET', 'f' }, { 'HMGET', 'f' }, { 'HGETALL' }, { 'HDEL', 'f' },
  { 'HEXISTS', 'f' }, { 'HINCRBY', 'f', '1' }, { 'ZADD', '1', 'm' }, { 'ZREM', 'm' }, { 'ZCARD' }, { 'ZCOUNT', '0', '1' },
  { 'ZRANGE', '0', '1' }, { 'ZRANGEBYSCORE', '0', '1' }, { 'ZRANGEBYLEX', '-', '+' }, { 'SADD', 'm' }, { 'SREM', 'm' },
  { 'SCARD' }, { 'SMEMBERS' }, { 'LLEN' }, { 'LINDEX', '0' }, { 'LRANGE', '0', '1' }, { 'LTRIM', '0', '1' }, { 'LPOP' },
  { 'SISMEMBER', 'm' }, { 'ZSCORE', 'm' }, { 'TYPE' }, { 'RENAMENX', P .. 'to' }, { 'ZSCAN', '0' }, { 'HSCAN', '0' },
  { 'SSCAN', '0' }, { 'SCAN' },
  { 'RPUSH', 'v' }, { 'XADD', '*', 'f', 'v' }, { 'XLEN' }, { 'XRANGE', '-', '+' }, { 'XREVRANGE', '+', '-' },
  { 'XTRIM', 'MAXLEN', '1' }, { 'GET' }, { 'SET', 'v' }, { 'EXISTS' }, { 'DEL' }, { 'PEXPIRE', '1' }, { 'PERSIST' },
}) do
  if not redis.acl_check_cmd(command[1], P .. 'rights', unpack(command, 2)) then refused[#refused + 1] = command[1] end
end
return refused
