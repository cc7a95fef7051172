package task

// State is where a task is in its life.
type State string

// The states of a task. Scheduled, waiting and running tasks are live; the
// others are terminal and are left only by a person's retry or by deletion.
const (
	Scheduled State = "scheduled" // waits for its time: a delay, a run-at time or a retry's backoff
	Waiting   State = "waiting"   // in its queue's line, claimable
	Running   State = "running"   // held by a replica under a lease
	Succeeded State = "succeeded" // its handler returned without an error
	Failed    State = "failed"    // attempts used up, or an error that no retry can mend
	Stopped   State = "stopped"   // somebody asked for its end
	Expired   State = "expired"   // its TTL or deadline passed before it first started
)

// States lists every state, live ones first.
func States() []State {
	return []State{Scheduled, Waiting, Running, Succeeded, Failed, Stopped, Expired}
}

// Terminal reports whether the state is one that only retry and delete leave.
func (s State) Terminal() bool {
	switch s {
	case Succeeded, Failed, Stopped, Expired:
		return true
	}
	return false
}

// Code says why an attempt, or a task that never started, ended.
type Code string

// The reason codes.
const (
	CodeOK               Code = "ok"
	CodeError            Code = "error"             // the handler returned an error
	CodePermanent        Code = "permanent"         // the handler returned Permanent(err)
	CodePanic            Code = "panic"             // the handler panicked or called runtime.Goexit
	CodeTimeout          Code = "timeout"           // the attempt timeout passed
	CodeTimeoutAbandoned Code = "timeout_abandoned" // … and the handler ignored its context past the grace
	CodeStopped          Code = "stopped"           // somebody stopped it
	CodeStopAbandoned    Code = "stop_abandoned"    // … and the handler ignored its context past the grace
	CodeLost             Code = "lost"              // the lease ended without a report
	CodeExpired          Code = "expired"           // the TTL or deadline passed before the first start
	CodeDeadline         Code = "deadline"          // the deadline over all attempts passed, or would before the next one starts
	CodeNoHandler        Code = "no_handler"        // no live replica knows the kind
	CodeBadPayload       Code = "bad_payload"       // the payload does not decode into the handler's type
	CodeReleased         Code = "released"          // given back without using an attempt
	CodeSlow             Code = "slow"              // not an end: the soft timeout passed
)
