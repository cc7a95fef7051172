<?php
// A client of an ltsworker pool, for PHP 8.1 and the extension redis 5.3 or newer. See ../README.md.
//
//   $redis = new Redis(); $redis->connect('127.0.0.1'); $pool = new Ltsworker\Pool($redis);
//   echo $pool->call('sum', [1, 2])['result'];
namespace Ltsworker;

const COLUMNS = ['v', 'attempt', 'replica', 'at', 'wait_ms', 'run_ms', 'group'];

// Rejected is thrown when an entry was rejected. Its outcome has code and error.
class Rejected extends \RuntimeException {
    public function __construct(public readonly array $outcome) {
        parent::__construct("{$outcome['id']} was rejected: {$outcome['error']}");
    }
}

class Pool {
    public function __construct(private \Redis $redis, private string $name = 'default') {}

    // run sends a command that may block for this many seconds. It throws the errors of the server,
    // which the extension does not.
    private function run(float $seconds, string ...$words): mixed {
        $this->redis->clearLastError();
        $this->redis->setOption(\Redis::OPT_READ_TIMEOUT, $seconds + 10);
        $reply = $this->redis->rawCommand(...$words);
        return ($error = $this->redis->getLastError()) ? throw new \RedisException($error) : $reply;
    }

    // enqueue pushes a task and returns its id. After an error, push it again with the same id:
    // only one task is made.
    public function enqueue(string $kind, mixed $payload = null, array $options = []): string {
        $id = $options['id'] ?? bin2hex(random_bytes(16));
        $entry = array_filter(['id' => $id, 'kind' => $kind, 'payload' => $payload] + $options, fn ($v) => $v !== null);
        $json = json_encode($entry, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_THROW_ON_ERROR);
        $this->run(0, 'RPUSH', "lts:{{$this->name}}:inbox", $json);
        return $id;
    }

    // wait removes and returns the outcome of a task with the option reply. BLMOVE KEY KEY LEFT RIGHT would keep it.
    public function wait(string $id, float $timeout = 30): array {
        $item = $this->run($timeout, 'BLPOP', "lts:{{$this->name}}:reply:$id", $timeout);
        if (!$item) throw new \RuntimeException("$id has no outcome after $timeout s");
        $outcome = json_decode($item[1], true, flags: JSON_THROW_ON_ERROR);
        return $outcome['state'] === 'rejected' ? throw new Rejected($outcome) : $outcome;
    }

    public function call(string $kind, mixed $payload = null, array $options = [], float $timeout = 30): array {
        return $this->wait($this->enqueue($kind, $payload, ['reply' => true] + $options), $timeout);
    }

    // events creates the group at the end of the stream. The iterator ends after idle seconds without entries.
    public function events(string $group, string $consumer, ?float $idle = null): \Generator {
        $stream = "lts:{{$this->name}}:events";
        $this->redis->rawCommand('XGROUP', 'CREATE', $stream, $group, '$', 'MKSTREAM'); // an error means that it exists
        return $this->read($stream, $group, $consumer, $idle ?: 5, (bool) $idle);
    }

    private function read(string $stream, string $group, string $consumer, float $wait, bool $ends): \Generator {
        $position = fn ($text) => vsprintf("%'020s%'020s", explode('-', $text));
        $fields = fn ($flat) => array_column(array_chunk($flat, 2), 1, 0);
        for ($reported = null;;) {
            $groups = array_map($fields, $this->run(0, 'XINFO', 'GROUPS', $stream));
            $before = array_column($groups, 'last-delivered-id', 'name')[$group];
            [, $old, $deleted] = $this->run(0, 'XAUTOCLAIM', $stream, $group, $consumer, 60000, '0-0', 'COUNT', 100);
            $read = ['GROUP', $group, $consumer, 'COUNT', 100, 'BLOCK', ceil($wait * 1000), 'STREAMS', $stream, '>'];
            $entries = array_merge($old, $this->run($wait, 'XREADGROUP', ...$read)[0][1] ?? []);
            $trimmed = $this->run(0, 'HGET', "lts:{{$this->name}}:meta", 'events:trimmed') ?: '0-0';
            if ($deleted || $trimmed !== $reported && $position($before) < $position($trimmed)) {
                $reported = $trimmed;
                yield ['id' => '', 'state' => 'missed']; // entries were trimmed unread: read the tasks instead
            }
            foreach ($entries as [$at, $flat]) {
                $entry = $fields($flat);
                foreach (preg_split('/ /', $entry['ids'] ?? '', -1, PREG_SPLIT_NO_EMPTY) as $i => $id) {
                    $event = ['id' => $id] + array_diff_key($entry, ['ids' => 0]);
                    foreach (COLUMNS as $name) { // one value for all ids or one per id
                        $words = explode(' ', $entry[$name] ?? '-');
                        $event[$name] = $words[min($i, count($words) - 1)];
                        if ($event[$name] === '-') unset($event[$name]);
                    }
                    yield $event;
                }
                $this->run(0, 'XACK', $stream, $group, $at); // after its last event
            }
            if ($ends && !$entries) return;
        }
    }
}
