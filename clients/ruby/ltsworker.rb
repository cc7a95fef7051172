# A client of an ltsworker pool, for redis-rb 4.8 or newer. See ../README.md.
#
#   pool = Ltsworker::Pool.new(Redis.new)
#   puts pool.call('sum', [1, 2])['result']
%w[json redis securerandom].each { |name| require name }

module Ltsworker
  COLUMNS = %w[v attempt replica at wait_ms run_ms group].freeze

  # The entry was rejected. Its outcome has code and error.
  class Rejected < StandardError
    attr_reader :outcome

    def initialize(outcome) = super("#{(@outcome = outcome)['id']} was rejected: #{outcome['error']}")
  end

  class Pool
    def initialize(redis, name = 'default')
      @redis, @prefix, @stream = redis, "lts:{#{name}}:", "lts:{#{name}}:events"
    end

    # Pushes a task and returns its id. After an error, push it again with the same id: only one task is made.
    def enqueue(kind, payload = nil, id: SecureRandom.uuid, **options)
      @redis.rpush("#{@prefix}inbox", JSON.generate({ id: id, kind: kind, payload: payload, **options }.compact))
      id
    end

    # Removes and returns the outcome of a task with the option reply. BLMOVE KEY KEY LEFT RIGHT would keep it.
    def wait(id, timeout = 30)
      item = @redis.blpop("#{@prefix}reply:#{id}", timeout: timeout)
      raise "#{id} has no outcome after #{timeout} s" unless item

      outcome = JSON.parse(item[1])
      outcome['state'] == 'rejected' ? raise(Rejected, outcome) : outcome
    end

    def call(kind, payload = nil, timeout: 30, **options)
      wait(enqueue(kind, payload, reply: true, **options), timeout)
    end

    # Creates the group at the end of the stream. The enumerator ends after idle seconds without entries.
    def events(group, consumer, idle: nil)
      begin
        @redis.xgroup(:create, @stream, group, '$', mkstream: true)
      rescue Redis::CommandError => e
        raise unless e.message.start_with?('BUSYGROUP')
      end
      Enumerator.new { |out| read(out, group, consumer, idle) }
    end

    private

    def read(out, group, consumer, idle)
      reported, position = nil, ->(text) { text.split('-').map(&:to_i) }
      loop do
        before = @redis.xinfo(:groups, @stream).find { |g| g['name'] == group }['last-delivered-id']
        _, entries, deleted = @redis.call('XAUTOCLAIM', @stream, group, consumer, 60_000, '0-0', 'COUNT', 100)
        entries = entries.map { |at, fields| [at, fields.each_slice(2).to_h] } # the method xautoclaim hides deleted
        fresh = @redis.xreadgroup(group, consumer, @stream, '>', count: 100, block: ((idle || 5) * 1000).to_i)
        entries += fresh.fetch(@stream, [])
        trimmed = @redis.hget("#{@prefix}meta", 'events:trimmed') || '0-0'
        if deleted.any? || (trimmed != reported && (position[before] <=> position[trimmed]).negative?)
          reported = trimmed
          out << { 'id' => '', 'state' => 'missed' } # entries were trimmed unread: read the tasks instead
        end
        entries.each do |at, fields|
          columns = COLUMNS.to_h { |name| [name, fields.fetch(name, '-').scrub.split] }
          fields.delete('ids').to_s.scrub.split.each_with_index do |id, i| # one value for all ids or one per id
            words = columns.transform_values { |column| column[[i, column.size - 1].min] }
            out << fields.except(*COLUMNS).merge('id' => id, **words.reject { |_, word| word == '-' })
          end
          @redis.xack(@stream, group, at) # after its last event: it is redelivered if this process dies before
        end
        break if idle && entries.empty?
      end
    end
  end
end
