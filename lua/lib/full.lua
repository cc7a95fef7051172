-- Lets a script run on a full Redis, which refuses one whose first write could grow something and lets one go on that has
-- written before. So the scripts that end work, keep it alive or start what waits begin with a write that grows nothing:
-- new tasks are refused, and the pool drains.
redis.call('PERSIST', META)
