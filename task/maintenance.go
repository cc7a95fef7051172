package task

import "time"

// Signal is why Listen returned.
type Signal struct {
	Check  bool   // the replica's doorbell rang for another reason than a queue: renew and exchange now
	Drain bool   // the replica was asked to drain
	Queue string // this queue has claimable tasks; "" for none
}

// Maintenance is what a turn of Maintain found.
type Maintenance struct {
	Busy  bool          // another replica holds the maintenance lock; nothing was looked at
	Inbox bool          // the inbox holds entries
	Next  time.Duration // until something is due again; 0 if nothing is known to be

	Claims   int // leases that ended without a report of all their attempts
	Lost     int // attempts that were taken back from them
	Due      int // scheduled tasks that became waiting
	Late     int // tasks that ended because their TTL or deadline had passed
	Removed  int // ended tasks that were kept long enough
	Trimmed  int // events that were too many or too old
	Replicas int // silent replicas that were taken off the list

	// Repaired is what was broken and has been repaired or moved out of the way. A
	// little is looked at in every turn, all of it in time. It is valid with an
	// error, too.
	Repaired []Finding
}
