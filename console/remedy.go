package console

import (
	"net/http"
	"slices"

	"github.com/ltsworker/ltsworker/task"
)

// remedy is the action that a page offers beside a trouble. It is one of the routes, with their roles, questions
// and audit entries.
type remedy struct {
	Action string // the page of the route
	Button string // the key of the text of the button
	Ask    string // the key of a question before the action; "" for none
	About  string // what the button is about, for a screen reader
	Back   string // the page to which the action leads; "" for the page of the button
	Hidden []field
	// Input is a field that the user may change before, "" for none. Label is the key of its text.
	Input, Value, Label string
}

// field is a field of a form with its value.
type field struct{ Name, Value string }

// May reports whether the role of the user allows a remedy.
func (q *request) May(r *remedy) bool {
	if r == nil {
		return false
	}
	i := slices.IndexFunc(routes, func(of route) bool { return of.method == http.MethodPost && of.page == r.Action })
	return i >= 0 && q.role >= routes[i].role
}

func resumePool() *remedy {
	return &remedy{Action: "resume", Button: "action.resume_pool", Hidden: []field{{"scope", "pool"}}}
}

func resumeQueue(name string) *remedy {
	return &remedy{Action: "resume", Button: "action.resume", About: name, Hidden: []field{{"queue", name}}}
}

func drainReplica(id string) *remedy {
	return &remedy{Action: "replicas/drain", Button: "action.drain", Ask: "ask.drain", About: id, Hidden: []field{{"replica", id}}}
}

func runTrigger(name string) *remedy {
	return &remedy{Action: "triggers/run", Button: "action.run", Ask: "ask.run_late", About: name, Hidden: []field{{"name", name}}}
}

// changeSetting offers the live limit or rate of a queue or a group in a field.
func changeSetting(action, label string, scope task.Scope, name, value string) *remedy {
	return &remedy{Action: action, Button: "action.set", About: name, Hidden: []field{{"scope", string(scope)}, {"name", name}}, Input: action, Value: value, Label: label}
}

// Remedied returns the action for a finding of the doctor, nil for none. Others are repaired with a program, or in
// the config of replicas or of the server. The action leads to what the finding is about, because the next inspection
// may come a minute later.
func (q *request) Remedied(f task.Finding) (r *remedy) {
	switch f.Code {
	case "pool_paused":
		r = resumePool()
	case "queue_paused":
		r = resumeQueue(f.Values["queue"])
	case "replica_stuck":
		if f.Figures["draining"] > 0 {
			return nil
		}
		r = drainReplica(f.Values["replica"])
	case "trigger_late":
		r = runTrigger(f.Values["trigger"])
	default:
		return nil
	}
	r.Back = q.Concerned(f)
	return r
}

// Concerned returns the page that a finding is about, "" for none.
func (q *request) Concerned(f task.Finding) string {
	switch f.Code {
	case "pool_paused":
		return q.Path("queues")
	case "queue_paused", "queue_unserved", "labels_unserved", "plain_unserved":
		return q.Path("queue", "name", f.Values["queue"])
	case "job_unserved", "host_unserved":
		return q.Path("task", "id", f.Values["task"])
	case "replica_silent", "replica_stuck", "replica_refuses", "replicas_refuse", "no_replica_works", "outage", "outages":
		return q.Path("replicas")
	case "trigger_late", "calendar_ends":
		return q.Path("trigger", "name", f.Values["trigger"])
	case "triggers_late":
		return q.Path("triggers")
	case "exports_full":
		return q.Path("tasks", "state", string(task.Exporting))
	case "entries_rejected":
		return q.Path("rejected")
	case "tasks_slow":
		return q.Path("")
	}
	return ""
}
