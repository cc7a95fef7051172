package task

// State is the state of a task.
type State string

// The states of a task. Scheduled, waiting, running and exporting are live states. The others are
// terminal: only a retry by an operator or a deletion changes them.
const (
	Scheduled State = "scheduled" // waits for its time: a delay, a run-at time or a retry's backoff
	Waiting   State = "waiting"   // in its queue
	Running   State = "running"   // held by a replica under a lease
	Exporting State = "exporting" // its handler returned a result that an exporter has not saved yet
	Succeeded State = "succeeded" // its handler returned without an error
	Failed    State = "failed"    // its attempts are used up, or an error excluded a retry
	Stopped   State = "stopped"   // a stop was requested
	Expired   State = "expired"   // its TTL or deadline passed before it first started
)

// States lists every state, live ones first.
func States() []State {
	return []State{Scheduled, Waiting, Running, Exporting, Succeeded, Failed, Stopped, Expired}
}

// Terminal reports whether the task has ended: only a retry or a deletion changes the
// state.
func (s State) Terminal() bool {
	switch s {
	case Succeeded, Failed, Stopped, Expired:
		return true
	}
	return false
}

// Code is the reason why an attempt, or a task that never started, ended.
type Code string

// The reason codes.
const (
	CodeOK               Code = "ok"
	CodeError            Code = "error"             // the handler returned an error
	CodePermanent        Code = "permanent"         // the handler returned Permanent(err)
	CodePanic            Code = "panic"             // the handler panicked or called runtime.Goexit
	CodeTimeout          Code = "timeout"           // the attempt's timeout passed
	CodeTimeoutAbandoned Code = "timeout_abandoned" // … and the handler ignored its context for StopGrace
	CodeStopped          Code = "stopped"           // a stop was requested
	CodeStopAbandoned    Code = "stop_abandoned"    // … and the handler ignored its context for StopGrace
	CodeLost             Code = "lost"              // the lease ended without a report
	CodeExpired          Code = "expired"           // the TTL or deadline passed before the first start
	CodeDeadline         Code = "deadline"          // the deadline over all attempts passed, or would pass before the next one starts
	CodeNoHandler        Code = "no_handler"        // no live replica has a handler for the kind
	CodeBadPayload       Code = "bad_payload"       // the payload does not decode into the handler's type
	CodeExport           Code = "export"            // the result could not be saved by the exporter of the kind
	CodeChildren         Code = "children"          // shards of the parent have not succeeded
	CodeReleased         Code = "released"          // returned to its queue without using an attempt
	CodeDetached         Code = "detached"          // the replica has detached the attempt; a report from outside ends it
	CodeCleanUp          Code = "cleanup"           // the end was decided, or a clean-up failed; the attempt ends after its job: see Task.SaveJob
	CodeSlow             Code = "slow"              // the soft timeout passed; the attempt continues
)
