# Enqueues a task, waits for its outcome, and prints the events and the outcome.
#
#   ruby follow.rb ID [KIND]
#
# README.md says which replica must be running.
# Environment: REDIS_PORT (6379), LTS_POOL (default).
require_relative '../../clients/ruby/ltsworker'

id, kind = ARGV
redis = Redis.new(port: ENV.fetch('REDIS_PORT', 6379).to_i)
pool = Ltsworker::Pool.new(redis, ENV.fetch('LTS_POOL', 'default'))

# Create the group before the task, so that it gets all of the task's events. Use a group per service and a consumer per
# process.
events = pool.events('follow-rb', "rb-#{Process.pid}", idle: 1)
begin
  outcome = pool.call(kind || 'text.upper', 'from ä to z', id: id)
rescue Ltsworker::Rejected => e
  abort e.message
end

version = 0 # the highest that was printed: a group can get an event twice
events.each do |event|
  if event['state'] == 'missed'
    puts 'missed events'
  elsif event['id'] == id && event['v'].to_i > version
    version = event['v'].to_i
    puts event['state']
  end
end
puts "outcome: #{outcome['state']} #{outcome['error'] || outcome['result']}"
