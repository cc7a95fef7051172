package task

import "time"

// Renewal is the heartbeat of a replica. It lists the claims that the replica holds.
type Renewal struct {
	Replica string
	Lease   time.Duration
	Grace   time.Duration
	Held    []HeldClaim
	Updates []AttemptUpdate
	Running int // running attempts in total
	Stuck   int // slots of handlers that ignore their cancelled context

	Draining bool   // the replica claims no more tasks
	Refuses  string // why the replica takes no tasks for now; "" if it takes some

	// Outages are those of servers that the tasks of the replica need, up to MaxOutages. Nil is
	// for no change.
	Outages []Outage
}

// HeldClaim is a claim whose lease is to be extended.
type HeldClaim struct {
	Fence int64
	Held  int           // attempts whose end the store has not acknowledged
	Left  time.Duration // until the attempts' bound, by the replica's monotonic clock; negative once it has passed; Forever if nothing bounds them
	// IDs lists the held attempts. It is set only in answer to Recount: the store takes
	// the other attempts of the claim back.
	IDs []string
}

// AttemptUpdate is progress, a soft timeout or the log of a running attempt.
type AttemptUpdate struct {
	ID       string
	Fence    int64
	Attempt  int64  // the update is dropped if another attempt of the claim runs; 0 for any
	Progress []byte // last progress of the handler; nil if there is no new one
	Slow     bool   // the soft timeout passed since the last renewal
	Log      string // the end of the attempt's log
	LogSize  int64  // bytes that the attempt has written to its log; 0 if Log has not changed
}

// Renewed is the answer to a Renewal.
type Renewed struct {
	Verdicts []Verdict // in the order of Held: Kept, Recount or LeaseLost
	Stops    []Attempt // as those of Exchanged; those with Reported are returned once
	Triggers bool      // a trigger of the pool waits for its time
}
