package redisstore

// The bounds of single calls. A script keeps Redis from everything else while it
// runs, so that none may take longer than about 10 ms, in a pool of a million tasks
// too, and a request or an answer should stay below a few hundred KiB. Package
// worker has the bounds of an Exchange, which a replica needs for its own decisions.
// The times are those of a slow machine.
const (
	// A task takes 5 µs, and 50 µs more if its queue, kind or options are not those of
	// the task before. A batch is one atomic step: callers may rely on the figures.
	maxBatch      = 1000    // tasks in an enqueue
	maxShapes     = 100     // changes of queue, kind or options
	maxBatchBytes = 4 << 20 // payloads and headers; one task always fits

	// An entry takes 20 µs, and 100 µs if its task has another queue and kind than the
	// others, a group, a unique key and a TTL.
	inboxBatch      = 100     // inbox entries in one admission
	inboxBatchBytes = 2 << 20 // … and their bytes; one entry always fits

	// MaxEntry is the size in bytes up to which an inbox entry can become a task.
	MaxEntry = 2 << 20
	// MaxRejected is how many entries inbox:rejected keeps, about.
	MaxRejected = 10_000
	maxReason   = 8192 // bytes of the reason in a reject
	rejectPage  = 25   // rejects, of up to 24 KiB, in one answer

	// A lease takes 10 µs, an id in a recount 1 µs, what an attempt says 60 µs.
	renewClaims  = 250
	renewIDs     = 2000
	renewUpdates = 100
	renewBytes   = 512 << 10 // of progress; one always fits

	// A stop takes 10 to 40 µs, a retry 30 µs, a deletion 10 µs.
	changePage = 200

	// A task is read in 5 µs. The bytes bound the answer; one task always fits.
	getPage  = 250
	getBytes = 512 << 10

	// Maintenance takes back, promotes, ends or removes so many tasks in one call, 10
	// to 90 µs each.
	maintenanceBatch = 100

	// A queue with a setting takes 60 µs in a join, one that is woken or counted 20 µs.
	joinPage  = 100
	queuePage = 250

	// A running task takes 1 µs where those of a queue are counted; a queue has few.
	countPage = 50

	// A group takes 20 µs where its head is looked for.
	regroupPage = 200

	// A setting takes 20 µs. They are changed in one step, so that more are refused.
	maxSettings = 250

	// A member of an index takes 1 µs and is 40 to 200 bytes long.
	listPage = 200
	scanPage = 1000 // of names, which are shorter

	// A command of a pipeline takes a few µs, and Redis serves others in between.
	pipelinePage = 500

	// The description of a replica is 1 to 20 KiB long, as it names so many queues.
	replicaPage = 50
	aboutQueues = 250

	// An entry of the event stream takes 2 µs and is 0.2 to 5 KiB long. It has up to
	// entryEvents events. One of more than maxEvents was not written by this program.
	eventPage   = 1000
	entryEvents = 50
	maxEvents   = 1000

	// An abandoned entry is looked for in so many pages; a page is up to ten times as
	// many entries as are asked for.
	takeOverPages = 10
)
