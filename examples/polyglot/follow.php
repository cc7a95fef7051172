<?php
// Enqueues a task, waits for its outcome, and prints the events and the outcome.
//
//   php follow.php ID [KIND]
//
// README.md says which replica must be running.
// Environment: REDIS_PORT (6379), LTS_POOL (default).
require __DIR__ . '/../../clients/php/ltsworker.php';

[, $id, $kind] = [...$argv, 'text.upper'];
$redis = new Redis();
$redis->connect('127.0.0.1', (int) (getenv('REDIS_PORT') ?: 6379));
$pool = new Ltsworker\Pool($redis, getenv('LTS_POOL') ?: 'default');

// Create the group before the task, so that it gets all of the task's events. Use a group per service and a consumer per
// process.
$events = $pool->events('follow-php', 'php-' . getmypid(), 1);
try {
    $outcome = $pool->call($kind, 'from ä to z', ['id' => $id]);
} catch (Ltsworker\Rejected $e) {
    fwrite(STDERR, $e->getMessage() . "\n");
    exit(1);
}

$version = 0; // the highest that was printed: a group can get an event twice
foreach ($events as $event) {
    if ($event['state'] === 'missed') {
        echo "missed events\n";
    } elseif ($event['id'] === $id && $event['v'] > $version) {
        $version = (int) $event['v'];
        echo $event['state'], "\n";
    }
}
echo "outcome: {$outcome['state']} ", $outcome['error'] ?? $outcome['result'], "\n";
