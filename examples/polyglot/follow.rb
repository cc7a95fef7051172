# Enqueues a task, follows its events to the end and prints its result.
#
#   ruby follow.rb ID
#
# A replica with a handler for text.upper must be running, and README.md says what else.
# Environment: REDIS_PORT (6379), LTS_POOL (default).

require 'json'
require 'redis'

id = ARGV.fetch(0)
pool = "lts:{#{ENV.fetch('LTS_POOL', 'default')}}"
events = "#{pool}:events"
rejected = "#{pool}:inbox:rejected"
group = 'follow-rb' # one per service: Redis keeps how far the service has read
consumer = "rb-#{Process.pid}" # one per process
ends = %w[succeeded failed stopped expired]
now = -> { Process.clock_gettime(Process::CLOCK_MONOTONIC) }
patience = now.call + 30

state = ''
version = 0 # the highest that was seen of the task
told = '0-0' # up to where events are known to be trimmed

# see prints a change of the task. An event that came before is passed over.
see = lambda do |change|
  v = change.fetch('v', 1).to_i
  next if v <= version

  version = v
  state = change['state']
  puts [state, change['code']].compact.join(' ')
end

# before compares two positions of the stream.
before = ->(a, b) { (a.split('-').map(&:to_i) <=> b.split('-').map(&:to_i)).negative? }

redis = Redis.new(port: ENV.fetch('REDIS_PORT', 6379).to_i)

# The group comes before the task, so that it gets all of the task's events.
begin
  redis.xgroup(:create, events, group, '$', mkstream: true)
rescue Redis::CommandError => e
  raise unless e.message.start_with?('BUSYGROUP')
end
since = redis.xrevrange(rejected, count: 1).dig(0, 0) || '0-0' # rejections up to here are not of what follows
pushed = JSON.generate({ id: id, kind: 'text.upper', payload: 'from ä to z' })
redis.rpush("#{pool}:inbox", pushed)

# rejection finds the fields of the entry's rejection, if it has one.
rejection = lambda do
  redis.xrevrange(rejected, '+', "(#{since}", count: 100).map(&:last).find { |r| r['entry'] == pushed }
end

until ends.include?(state)
  abort "#{id} has not ended; is a replica running?" if now.call > patience
  place = redis.xinfo(:groups, events).find { |g| g['name'] == group }['last-delivered-id']
  # Called as Redis spells it: the method xautoclaim hides the deleted ones.
  _, left, deleted = redis.call('XAUTOCLAIM', events, group, consumer, 60_000, '0-0', 'COUNT', 100)
  left = left.map { |entry, fields| [entry, fields.each_slice(2).to_h] }
  read = redis.xreadgroup(group, consumer, events, '>', count: 100, block: 1000)
  trimmed = redis.hget("#{pool}:meta", 'events:trimmed') || '0-0'

  (left + read.fetch(events, [])).each do |entry, event|
    see.call(event) if event['id'] == id
    redis.xack(events, group, entry) # only now: it comes again if this process dies before
  end

  # Events that nobody can read any more: what they said stands in the task itself.
  if deleted.any? || (before.call(place, trimmed) && before.call(told, trimmed))
    told = trimmed
    puts 'missed events'
    task = redis.hgetall("#{pool}:task:#{id}")
    see.call(task) if ends.include?(task['state'])
  end

  # While nothing comes: the entry may have been rejected. A duplicate of its own id means that the task is there.
  next if ends.include?(state) || left.any? || read.any?
  next unless (reject = rejection.call)

  abort "#{id} was rejected: #{reject['reason']}" unless reject['code'] == 'duplicate' && reject['task'] == id
  task = redis.hgetall("#{pool}:task:#{id}")
  abort "#{id} has ended and is not kept any more" if task.empty?
  see.call(task) if ends.include?(task['state'])
end

# The event has a short result only, the task any.
puts "result #{redis.hget("#{pool}:task:#{id}", 'result')}"
