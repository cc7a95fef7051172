package redisstore

// The bounds of single calls. Redis serves no other client while a script runs. No
// script may therefore take longer than about 10 ms, even in a pool of a million tasks.
// A request or a reply should stay below a few hundred KiB. Package task has the bounds
// of an Exchange, because a replica needs them. The times are those of a slow machine.
const (
	// A task takes 5 µs, and 50 µs more if its queue, kind or options differ from those
	// of the task before. The bounds are documented: callers may rely on them.
	maxBatch      = 1000    // tasks in one atomic step of an enqueue
	maxShapes     = 100     // changes of queue, kind or options
	maxBatchBytes = 4 << 20 // payloads and headers; one task always fits
	maxBroadcasts = 25      // broadcasts, each of which takes 100 µs with a thousand replicas

	// An entry takes 20 µs, or 100 µs if its task has a queue and kind of its own, a
	// group, a unique key and a TTL.
	inboxBatch      = 100     // entries in one admission
	inboxBatchBytes = 2 << 20 // their bytes; one entry always fits

	// MaxEntry is the most bytes of an inbox entry. A longer one is rejected.
	MaxEntry = 2 << 20
	// MaxRejected is about how many entries inbox:rejected keeps.
	MaxRejected = 10_000
	maxReason   = 8192 // bytes of the reason in a reject
	rejectPage  = 25   // rejects, of up to 24 KiB each, in one reply

	// A lease takes 10 µs, an id in a recount 1 µs, an update 60 µs.
	renewClaims  = 250
	renewIDs     = 2000
	renewUpdates = 100
	renewBytes   = 512 << 10 // of progress and logs; one always fits

	// A stop takes 10 to 40 µs, a retry, a run now or a change 30 µs, a deletion 10 µs, the removal of
	// a rejected entry 5 µs.
	changePage = 200

	// A task takes 5 µs. The bytes bound the reply; one task always fits.
	getPage  = 250
	getBytes = 512 << 10

	// Tasks that one call of maintenance takes back, promotes, ends or removes. Each
	// takes 10 to 90 µs.
	maintenanceBatch = 100

	// A queue with a setting takes 60 µs in a join. A queue takes 20 µs in a wake or stats.
	joinPage  = 100
	queuePage = 150
	// A running task of a Snapshot takes 1 µs.
	statsRunning = 1000

	// A line takes 5 µs in a match, and 30 µs if the replica serves it.
	linePage = 250

	// Queues in one count. Each of their running tasks takes 1 µs; a queue has few.
	countPage = 50

	// A group takes 20 µs in a regroup.
	regroupPage = 200

	// A setting takes 20 µs. A change of settings is one step, so more are refused.
	maxSettings = 250

	// A member of an index takes 1 µs and is 40 to 200 bytes long.
	listPage = 200
	scanPage = 1000 // names, which are shorter

	// The comparison of a header with a filter takes 5 µs. The ids are those of a page of a
	// sorted set.
	selectPage = 500

	// A command of a pipeline takes a few µs. Redis serves other clients in between.
	pipelinePage = 500

	// A history has up to ten attempts, each with a log of up to 32 KiB.
	historyPage = 50

	// The description of a replica is 1 to 20 KiB long. It names at most aboutQueues queues.
	replicaPage = 50
	aboutQueues = 250

	// An entry of the event stream takes 2 µs and is 0.2 to 5 KiB long. It has up to
	// entryEvents events. Another program wrote an entry of more than maxEvents.
	eventPage   = 1000
	entryEvents = 50
	maxEvents   = 1000

	// Pages that one call searches for entries to take over. Redis examines up to ten
	// times as many entries for a page as were requested.
	takeOverPages = 10

	// A firing takes 30 µs, or 100 µs if its task has a shape of its own. A trigger that is
	// handed out takes 15 µs and the bytes of its definition.
	triggerBatch = 100
	// The definition of a trigger is 0.2 KiB to 1 MiB long.
	triggerPage = 50

	// Dead consumers that one call removes. Each consumer of the group takes 2 µs.
	maxDead = 100
)
