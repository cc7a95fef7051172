package findings

import (
	"maps"

	"github.com/ltsworker/ltsworker/task"
)

// texts are all codes.
var texts = join(server, pool, damages)

func join(all ...map[string]Text) map[string]Text {
	joined := map[string]Text{}
	for _, part := range all {
		maps.Copy(joined, part)
	}
	return joined
}

const (
	ok   = task.SeverityOK
	note = task.SeverityNote
	warn = task.SeverityWarning
	fail = task.SeverityError
)

const (
	// WorkerGrant are the ACL rules of a worker's user: the keys that it reads, those that it writes, and
	// its commands. It may only read the keys that begin with "d".
	WorkerGrant = "%R~{prefix}* ~{prefix} ~{prefix}[^d]* +@all -@admin -@dangerous -function +info"
	// UsersPage is where the rights of each kind of user are.
	UsersPage = "ACL users in docs/operations.md"
	// CheckPoolName is the advice to a user that may not access a pool.
	CheckPoolName = "check the name of the pool; which keys a user has: " + UsersPage
	// NeededVersion is the advice for a server that is too old.
	NeededVersion = "7.0 or newer is needed"
)

const (
	grant    = "ACL SETUSER … " + WorkerGrant
	rest     = "the rest was not checked: "
	shorten  = "raise it or shorten retention"
	noBackup = "; or accept it and enqueue again from your own records"
)

// server are the codes about Redis and its user.
var server = map[string]Text{
	"info_denied":  {"server", warn, "this user may not run INFO, so version, eviction, persistence and memory were not checked", "allow it: ACL SETUSER … +info"},
	"info_refused": {"server", note, "this server refuses INFO, so version, eviction, persistence and memory were not checked", "check them where the server is managed: 7.0 or newer, maxmemory-policy noeviction, an append-only file"},

	"version_unknown": {"version", note, "the server does not report its version", NeededVersion},
	"version_old":     {"version", fail, "Redis {version} is too old", NeededVersion},
	"version_ok":      {"version", ok, "Redis {version}", ""},

	"role_replica": {"role", fail, "a read-only replica, on which neither rights nor entries can be checked", "connect to the primary, through Sentinel or the cluster client"},

	"eviction_unknown": {"eviction", note, "the server does not report its eviction policy", "it must not evict keys: maxmemory-policy noeviction"},
	"eviction_on":      {"eviction", fail, "maxmemory-policy is {policy}: a full Redis removes tasks", "CONFIG SET maxmemory-policy noeviction, and in redis.conf"},
	"eviction_off":     {"eviction", ok, "maxmemory-policy is noeviction", ""},

	"snapshot_failed": {"persistence", fail, "the last snapshot could not be written", "see the server's log: it may refuse all writes (MISCONF)"},
	"aof_unknown":     {"persistence", note, "the server does not report whether it keeps an append-only file", "make sure that a restart loses no tasks"},
	"aof_off":         {"persistence", warn, "no append-only file: a restart loses what was enqueued since the last snapshot, or all", "CONFIG SET appendonly yes, and in redis.conf" + noBackup},
	"aof_failed":      {"persistence", fail, "the append-only file could not be written", "see the server's log and its disk"},
	"aof_no_fsync":    {"persistence", warn, "append-only file, appendfsync no: a crash of the machine loses about half a minute", "CONFIG SET appendfsync everysec, and in redis.conf"},
	"aof_unread":      {"persistence", ok, "append-only file; this user may not read appendfsync", ""},
	"aof_ok":          {"persistence", ok, "append-only file, appendfsync {fsync}", ""},

	"memory_unknown":      {"memory", note, "the server does not report how much memory it has", ""},
	"memory_unbounded":    {"memory", note, "no maxmemory is set: the system kills Redis when the machine's memory is full", "CONFIG SET maxmemory, well below the machine's memory, and in redis.conf"},
	"memory_full":         {"memory", fail, "{used} MiB used, {share}% of maxmemory", shorten + ": a full Redis refuses new tasks"},
	"memory_high":         {"memory", warn, "{used} MiB used, {share}% of maxmemory", shorten + " before Redis refuses new tasks"},
	"memory_ok":           {"memory", ok, "{used} MiB used, {share}% of maxmemory", ""},
	"machine_memory_full": {"memory", fail, "{used} MiB used, {share}% of the machine's memory", shorten + ": a full Redis refuses new tasks"},
	"machine_memory_high": {"memory", warn, "{used} MiB used, {share}% of the machine's memory", shorten + " before Redis refuses new tasks"},
	"machine_memory_ok":   {"memory", ok, "{used} MiB used, {share}% of the machine's memory", ""},

	"rights_keys":     {"rights", fail, rest + "this user may not access the keys of pool {pool}", CheckPoolName},
	"rights_scripts":  {"rights", fail, rest + "this user may not run scripts on the pool's keys: EVALSHA_RO and EVAL_RO", grant},
	"rights_commands": {"rights", fail, rest + "this user may not run {commands}", grant},
	"rights_no_fix":   {"rights", fail, rest + "this user may read the pool, and change nothing", "run doctor without --fix, or as a user that may write: " + UsersPage},
	"rights_read":     {"rights", note, "this user may read the pool, and change nothing", ""},
	"rights_ok":       {"rights", ok, "this user may run what a replica needs", ""},
	"cluster_node":    {"cluster", fail, rest + "this is one node of a cluster, and the pool is on another", "connect with redis-cluster://"},

	"scripts_ok":      {"scripts", ok, "scripts are loaded and run", ""},
	"round_trip_slow": {"round trip", note, "median of {calls}: PING {ping}, script {script}", "every claim and report takes one: run replicas closer to Redis, or give them more slots"},
	"round_trip_ok":   {"round trip", ok, "median of {calls}: PING {ping}, script {script}", ""},

	"schema_none":  {"schema", note, "the pool has no schema version yet: no task was enqueued and no replica has joined", ""},
	"schema_other": {"schema", fail, "{error}", "no entry was checked; use a program of the pool's version"},
	"schema_ok":    {"schema", ok, "version {version}", ""},

	"clock_behind": {"clock", warn, "Redis's clock was set back and is {behind} behind its former time", "correct the clock; until then tasks that were scheduled, or wait for a retry, start late"},
}

const (
	lessLoad     = "reduce the load of its machine, start replicas on others, or change what its admission allows"
	answerAgain  = "make it answer again; the tasks that need it wait or fail, as their policies say"
	sameHandlers = "give the replicas of a queue the same handlers"
	enable       = "remove disabled from their handlers when their tasks may run again"
	takesNone    = "no live replica takes the tasks of queue {queue} "
	itsJob       = ", such as {task}: {closest}; it runs, and waits for a take-over of its job"
	labelled     = "start a replica of the queue with these labels: nothing else can stop the job"
	runArchiver  = "start ltsworker archive run, or read its log"
	itsArchiver  = "{place}: its archiver (process {pid} on {host}) "
	fireAgain    = "start a replica; if one is alive, its log says why it cannot fire the trigger: it may lack a calendar, or be of an older version"
	oneOfKinds   = "the same of {more|1 more kind|# more kinds}"
)

// pool are the codes about the replicas, the queues, the triggers and the archives of a pool.
var pool = map[string]Text{
	"replica_silent":   {"replicas", warn, "replica {replica} stopped renewing and is still on the list", "start a replica: its maintenance takes back what this one held"},
	"replica_stuck":    {"replicas", warn, "replica {replica} (process {pid} on {host}) has {stuck|1 slot taken by a handler that ignores its cancelled context|# slots taken by handlers that ignore their cancelled context}{draining||, and it drains|}", "restart it, and make its handlers return when their context ends"},
	"replicas_alive":   {"replicas", ok, "{alive} alive", ""},
	"replica_refuses":  {"replicas", note, "replica {replica} (process {pid} on {host}) takes no tasks: {why}", lessLoad},
	"replicas_refuse":  {"replicas", note, "{more|1 more replica takes no tasks|# more replicas take no tasks}", lessLoad},
	"no_replica":       {"replicas", note, "no live replica", "start one with ltsworker run"},
	"no_replica_works": {"replicas", warn, "no live replica{waiting||, 1 task waits|, # tasks wait}{due||, 1 scheduled task is due|, # scheduled tasks are due}{inbox||, 1 entry is in the inbox|, # entries are in the inbox}", "start one with ltsworker run"},

	"outage":  {"outages", warn, "calls to {of} fail since {since} on replica {replica}{others|| and 1 more| and # more}: {error}", answerAgain},
	"outages": {"outages", warn, "{more|1 more server that tasks need does not answer|# more servers that tasks need do not answer}", answerAgain},

	"kind_uneven":        {"handlers", note, "no handler for kind {kind} in {without} of the {live} live replicas of queue {queue}, such as {replica}: its tasks are passed on until a replica has one", sameHandlers},
	"kinds_uneven":       {"handlers", note, oneOfKinds, sameHandlers},
	"kind_disabled":      {"handlers", note, "the handler for kind {kind} is disabled in {disabled} of the {live} live replicas, such as {replica}", enable},
	"kind_disabled_only": {"handlers", note, "the handler for kind {kind} is disabled in the only live replica, {replica}", enable},
	"kinds_disabled":     {"handlers", note, oneOfKinds, enable},

	"pool_paused":      {"queues", note, "the whole pool is paused", "ltsworker resume"},
	"queue_paused":     {"queues", note, "queue {queue} is paused", "ltsworker resume {queue}"},
	"queue_unserved":   {"queues", warn, "no live replica serves queue {queue}, where {waiting|1 task waits|# tasks wait}", "name it in a replica's config, or stop the tasks if the name is a mistake"},
	"exports_full":     {"queues", warn, "no task of kind {kind} starts, because too many of its results wait to be saved", "ltsworker get a task of queue " + task.ExportQueue + "{kind} for the error of its exporter"},
	"labels_unserved":  {"queues", warn, takesNone + "with the labels {labels}, such as {task}: {closest}; {waiting|1 waits|# wait}", "start a replica of the queue with these labels, or stop the tasks"},
	"plain_unserved":   {"queues", warn, takesNone + "without labels, such as {task}: {closest}; {waiting|1 waits|# wait}", "start a replica of the queue that is not exclusive, or stop the tasks"},
	"job_unserved":     {"queues", warn, takesNone + "with the labels {labels}" + itsJob, labelled},
	"host_unserved":    {"queues", warn, takesNone + "with the labels {labels}" + itsJob, labelled + ". After 7 days without one the task ends"},
	"lines_unserved":   {"queues", warn, "the same of {more|1 more set of labels|# more sets of labels}", "start replicas with these labels, or stop the tasks"},
	"entries_rejected": {"inbox", note, "{rejected|1 entry was rejected|# entries were rejected}", "read why, then put them back or drop them: ltsworker rejected list"},

	"archive_outage":  {"archive", warn, itsArchiver + "cannot use {of} since {since}: {error}", "make the database work again; the archiver waits for it"},
	"archive_trimmed": {"archive", warn, "{place}: events were trimmed before it had read them: it has a gap, and tasks may be missing", runArchiver + "; keep events for longer: events in the config file of the replicas"},
	"archive_stopped": {"archive", warn, itsArchiver + "stopped {silent} ago", runArchiver},
	"archive_behind":  {"archive", warn, "{place}: it does not follow the pool: the oldest event that it has not read is {behind} old", runArchiver},
	"archive_follows": {"archive", ok, "{place}: follows the pool, {behind} behind", ""},
	"archive_ok":      {"archive", ok, "{place}: has all events", ""},
	"archive_none":    {"archive", warn, "ended tasks are kept for {wait} until an archive has them, and no archiver runs", "start ltsworker archive run, or set archive: {wait: none} in the config of the replicas"},
	"archive_late":    {"archive", warn, "ended tasks are removed after {wait} although no archive has them; the oldest have waited for most of that time", runArchiver},
	"archive_waits":   {"archive", ok, "ended tasks are kept until an archive has them, for at most {wait}", ""},

	"trigger_late":  {"triggers", warn, "trigger {trigger} should have fired at {at}, {late} ago", fireAgain},
	"triggers_late": {"triggers", warn, "{more} more triggers should have fired", fireAgain},
	"calendar_ends": {"triggers", warn, "trigger {trigger} {others|uses|and 1 more use|and # more use} calendar {calendar}, whose data on replica {replica} ends on {ends}; later days are a guess", "update the program of the replicas, or add the days of the next year to the calendar's file"},

	"tasks_slow": {"tasks", note, "{slow|1 running task is past its soft timeout|# running tasks are past their soft timeouts}", "see which: ltsworker ls --state running --sort=-slow --columns id,kind,replica,running,slow"},

	"inspection_cut": {entries, warn, "the time was over before all records were checked", "run ltsworker doctor"},

	"entries_ok":     {entries, ok, "{entries|1 key or index entry|# keys and index entries}, none of them broken", ""},
	"entries_broken": {entries, note, "{entries|1 key or index entry|# keys and index entries}, of which {broken|1 is broken or was|# are broken or were}", ""},
}
