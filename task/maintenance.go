package task

import "time"

// Signal is the reason why Listen returned. The zero Signal means that no signal came
// within the wait.
type Signal struct {
	Check bool   // a signal for another reason than a queue: renew and exchange now
	Drain bool   // a drain of the replica was requested
	Queue string // this queue has claimable tasks; "" for none
	// Shards is set if a parent has children to make or to stop.
	Shards bool
	// Triggers is set if a trigger is due earlier than all others were.
	Triggers bool
}

// Maintenance is the result of one turn of Maintain.
type Maintenance struct {
	Busy  bool          // another replica holds the maintenance lock; nothing was done
	Inbox bool          // the inbox holds entries
	Next  time.Duration // until the next scheduled work; 0 if none is known
	// Shards is set if parents have children to make or to stop.
	Shards bool
	// Reports is set if the list of reports from outside has entries.
	Reports bool
	// TriggerEntries is set if triggers:inbox has entries.
	TriggerEntries bool

	Claims   int // leases that ended before all their attempts were reported
	Lost     int // attempts that were taken back from these leases
	TimedOut int // attempts outside for which no report arrived in time
	Due      int // scheduled tasks that became waiting
	Late     int // tasks that ended because their TTL or deadline passed
	Removed  int // ended tasks whose retention passed
	Trimmed  int // events that were too many or too old
	Replicas int // silent replicas that were removed from the list

	// LateTriggers names triggers that should have fired and have not, each once per planned
	// time.
	LateTriggers []string

	// Repaired lists broken records that were repaired or renamed. A turn checks a part
	// of the records; later turns check the others. Repaired is also valid with an
	// error.
	Repaired []Finding
}
