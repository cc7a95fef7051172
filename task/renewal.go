package task

import "time"

// Renewal is a replica's heartbeat with the claims it holds.
type Renewal struct {
	Replica string
	Lease   time.Duration
	Grace   time.Duration
	Held    []HeldClaim
	Updates []AttemptUpdate
	Running int // attempts in all
	Stuck   int // slots taken by handlers that ignore their context

	Draining bool // it claims no more
}

// HeldClaim is a claim whose lease is to be renewed.
type HeldClaim struct {
	Fence int64
	Held  int           // attempts of it that the replica has not seen accepted as ended
	Left  time.Duration // until the attempts' bound, by the replica's monotonic clock; negative once it has passed; Forever if nothing bounds them
	// IDs are the attempts held. They are set only in answer to a Recount: the
	// store takes the others of the claim back.
	IDs []string
}

// AttemptUpdate is what a running attempt reports before its end.
type AttemptUpdate struct {
	ID       string
	Fence    int64
	Progress []byte // what the handler last reported; nil if there is nothing new
	Slow     bool   // the soft timeout passed since the last renewal
}

// Renewed is the answer to a Renewal.
type Renewed struct {
	Verdicts []Verdict // in the order of Held: Kept, Recount or LeaseLost
	Stops    []Attempt // attempts of the replica that were asked to stop and have not ended
}
