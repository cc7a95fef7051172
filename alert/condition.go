package alert

import (
	"maps"
	"slices"
	"time"
)

// Condition names what a rule compares.
type Condition string

// The conditions that count events within Rule.Window. Their values have the labels of Rule.By.
const (
	Failed      Condition = "failed"       // tasks that have failed
	FailedShare Condition = "failed_share" // the share of the ended tasks that have failed
	Lost        Condition = "lost"         // attempts whose lease was lost
	Slow        Condition = "slow"         // attempts that have passed their soft timeout
)

// The conditions on the state of the pool.
const (
	OldestWait     Condition = "oldest_wait"     // how long the oldest waiting task of a queue has waited, unless the queue is paused
	Waiting        Condition = "waiting"         // waiting tasks of a queue
	RunTime        Condition = "run_time"        // for how long the longest attempt of a queue and kind has run
	Unserved       Condition = "unserved"        // tasks that wait in a queue that no replica serves
	QueuePaused    Condition = "queue_paused"    // tasks that wait in a paused queue
	PoolPaused     Condition = "pool_paused"     // tasks that wait in a paused pool
	GroupFull      Condition = "group_full"      // tasks that the limit of their group holds back
	Replicas       Condition = "replicas"        // live replicas, if there are too few
	ReplicaGone    Condition = "replica_gone"    // a replica that has stopped without leaving the pool
	ReplicaStuck   Condition = "replica_stuck"   // handlers of a replica that ignore a stop
	ReplicaRefuses Condition = "replica_refuses" // a replica that takes no tasks
	Outage         Condition = "outage"          // a server that tasks need does not answer
	TriggerOverdue Condition = "trigger_overdue" // how long a trigger has been due
	TriggerPaused  Condition = "trigger_paused"  // a paused trigger
	TriggerRefused Condition = "trigger_refused" // planned times of a trigger, within the window, that got no task
	Inbox          Condition = "inbox"           // entries of the inbox that no replica has admitted
	Rejected       Condition = "rejected"        // rejected entries that are kept
	ExportsFull    Condition = "exports_full"    // a kind of which too many results wait to be saved
	Subscription   Condition = "subscription"    // the part of the event stream that a subscription has not read
	ArchiveBehind  Condition = "archive_behind"  // the age of the oldest event that an archive lacks
	ArchiveOutage  Condition = "archive_outage"  // an archive whose archiver has stopped or whose database does not answer
	EventsBehind   Condition = "events_behind"   // the age of the oldest event that the rules have not counted
	Doctor         Condition = "doctor"          // findings of an inspection with the severity error
	Watchdog       Condition = "watchdog"        // always: its messages show that the rules run
)

// unit is what a value counts.
type unit int

const (
	none unit = iota
	number
	share
	seconds
)

// need is a set of the data that conditions need.
type need uint

const (
	needEvents need = 1 << iota
	needState       // counts, queues and running tasks
	needReplicas
	needGroups
	needLate
	needTriggers
	needLags
	needArchives
	needDoctor
	needCounts
)

// condition describes a Condition.
type condition struct {
	unit      unit
	threshold float64       // the default
	window    time.Duration // the default; 0 if it counts no events
	min       int           // the default of Rule.Min; 0 if it has none
	repeat    time.Duration // the default, if it is not the common one
	filters   []string      // labels that a rule may restrict
	by        []string      // the default of Rule.By
	need      need
	samples   func(*round, *Rule) []sample
}

var (
	taskLabels  = []string{"queue", "kind", "group"}
	queueLabel  = []string{"queue"}
	queueOrKind = []string{"queue", "kind"}
)

var conditions map[Condition]condition

func init() { // a variable with an initial value would be a cycle: the functions use the table
	conditions = map[Condition]condition{
		Failed:      {unit: number, threshold: 10, window: 10 * time.Minute, filters: taskLabels, by: []string{"kind"}, need: needEvents, samples: counted},
		FailedShare: {unit: share, threshold: 0.1, window: 10 * time.Minute, min: 10, filters: taskLabels, by: []string{"kind"}, need: needEvents, samples: counted},
		Lost:        {unit: number, window: 15 * time.Minute, filters: taskLabels, need: needEvents, samples: counted},
		Slow:        {unit: number, window: 15 * time.Minute, filters: taskLabels, by: []string{"kind"}, need: needEvents, samples: counted},

		OldestWait:  {unit: seconds, threshold: 900, filters: queueLabel, need: needState, samples: oldestWait},
		Waiting:     {unit: number, threshold: 10_000, filters: queueLabel, need: needState, samples: waiting},
		RunTime:     {unit: seconds, threshold: 3600, filters: queueOrKind, need: needState, samples: runTime},
		Unserved:    {unit: number, filters: queueLabel, need: needState | needReplicas, samples: unserved},
		QueuePaused: {unit: number, filters: queueLabel, need: needState, samples: queuePaused},
		PoolPaused:  {unit: number, need: needState, samples: poolPaused},
		GroupFull:   {unit: number, filters: []string{"group"}, need: needState | needGroups, samples: groupFull},
		Inbox:       {unit: number, need: needState, samples: inbox},
		Rejected:    {unit: number, need: needState, samples: rejected},
		ExportsFull: {filters: []string{"kind"}, need: needState, samples: exportsFull},

		Replicas:       {unit: number, threshold: 2, need: needReplicas, samples: replicas},
		ReplicaGone:    {window: 15 * time.Minute, need: needReplicas | needState, samples: replicaGone},
		ReplicaStuck:   {unit: number, need: needReplicas, samples: replicaStuck},
		ReplicaRefuses: {need: needReplicas, samples: replicaRefuses},
		Outage:         {need: needReplicas, samples: outages},

		TriggerOverdue: {unit: seconds, threshold: 60, need: needLate, samples: triggerOverdue},
		TriggerPaused:  {need: needTriggers, samples: triggerPaused},
		TriggerRefused: {unit: number, window: time.Hour, need: needTriggers, samples: triggerRefused},

		Subscription:  {unit: share, threshold: 0.5, need: needLags, samples: subscription},
		ArchiveBehind: {unit: seconds, threshold: 300, need: needArchives, samples: archiveBehind},
		ArchiveOutage: {need: needArchives, samples: archiveOutage},
		EventsBehind:  {unit: seconds, threshold: 60, need: needEvents, samples: eventsBehind},
		Doctor:        {unit: number, need: needDoctor, samples: doctor},
		Watchdog:      {repeat: 5 * time.Minute, samples: func(*round, *Rule) []sample { return []sample{{}} }},
	}
}

// splits returns the labels that Rule.By may have.
func (c condition) splits() []string {
	if c.need&needEvents == 0 {
		return nil
	}
	return c.filters
}

// Conditions returns the names of all conditions, sorted.
func Conditions() []string {
	var names []string
	for c := range maps.Keys(conditions) {
		names = append(names, string(c))
	}
	slices.Sort(names)
	return names
}

// Unit returns what the threshold of a condition counts: "number", "share", "duration", or "" for
// one that has none.
func (c Condition) Unit() string {
	return map[unit]string{number: "number", share: "share", seconds: "duration"}[conditions[c].unit]
}

// DefaultRules returns rules for common problems. A config file without rules has them; Options has
// no default. They correspond to the rules of deploy/alerts.yaml for Prometheus.
func DefaultRules() []Rule {
	return []Rule{
		{Name: "failures", When: FailedShare, For: time.Minute},
		{Name: "leases-lost", When: Lost},
		{Name: "oldest-wait", When: OldestWait, For: 5 * time.Minute},
		{Name: "no-replica-for-queue", When: Unserved, For: 2 * time.Minute, Severity: Critical},
		{Name: "too-few-replicas", When: Replicas, Threshold: 1, For: 2 * time.Minute, Severity: Critical},
		{Name: "replica-gone", When: ReplicaGone},
		{Name: "stuck-handlers", When: ReplicaStuck, For: 5 * time.Minute},
		{Name: "replica-refuses", When: ReplicaRefuses, For: 30 * time.Minute, Severity: Info},
		{Name: "server-outage", When: Outage, For: 2 * time.Minute},
		{Name: "trigger-overdue", When: TriggerOverdue, For: 2 * time.Minute},
		{Name: "trigger-refused", When: TriggerRefused},
		{Name: "inbox", When: Inbox, For: 5 * time.Minute},
		{Name: "rejected-entries", When: Rejected},
		{Name: "subscription-behind", When: Subscription, For: 5 * time.Minute},
		{Name: "exports-full", When: ExportsFull, For: 5 * time.Minute},
		{Name: "archive-behind", When: ArchiveBehind, For: 5 * time.Minute},
		{Name: "archive-outage", When: ArchiveOutage, For: 5 * time.Minute},
		{Name: "events-behind", When: EventsBehind},
		{Name: "queue-paused", When: QueuePaused, For: time.Hour, Severity: Info},
	}
}
