package task

import "time"

// AuditEntry is something that a person has done, or was refused, in the console or the API.
type AuditEntry struct {
	ID     string    // its position in the stream; set by the store
	At     time.Time // by the store's clock; set by the store
	User   string    // who
	Method string    // how the user was identified: password, oidc, proxy …
	Action string    // what, such as tasks/stop
	Target string    // the names or the query that it concerns
	Count  int       // how many tasks were chosen; 0 if it concerns none
	Reason string    // that the user has given; "" for none
	// Of is the ID of the entry of an action. This entry then has the outcome of that action:
	// Done is the number of tasks that have changed. Error says why it failed; "" if it did not.
	Of    string
	Done  int
	Error string
}
