package redisstore

import (
	"strconv"
	"strings"

	"github.com/ltsworker/ltsworker/worker"
)

// entriesCheck is the Check of every finding about the pool's keys.
const entriesCheck = "entries"

// unchecked is the code of an entry that could not be checked.
const unchecked = "unchecked"

const (
	fixIt  = "repair it with doctor --fix; upkeep does the same in its own time"
	moveIt = "look at it, then repair with doctor --fix: it renames the whole key"
)

// damages describes the codes of the check script: {id} stands for the task or
// member, {detail} and {quoted} for what the script adds.
var damages = map[string]struct {
	severity worker.Severity
	what, do string
}{
	// Tasks and indexes.
	"bad_record":     {worker.SeverityError, "the record of task {id} {detail}", moveIt},
	"no_record":      {worker.SeverityError, "an entry for {id}, which is no usable task", fixIt},
	"wrong_index":    {worker.SeverityError, "an entry for task {id}, which is {detail}, or has another entry or score", fixIt},
	"no_entry":       {worker.SeverityError, "task {id} is {detail} and has no entry here", fixIt},
	"queue_unlisted": {worker.SeverityError, "queue {detail} of task {id} is not listed", fixIt},
	"unwatched":      {worker.SeverityWarning, "task {id} has a TTL or deadline that nothing watches", fixIt},
	"far_due":        {worker.SeverityNote, "task {id} is due in more than ten years, at {detail} ms", "stop it if that is a mistake"},
	"past_alone":     {worker.SeverityWarning, "extras or a history of {id}, which is no task", fixIt},
	"past_unflagged": {worker.SeverityError, "task {id} has extras or a history, which its record denies", fixIt},
	"unique_unheld":  {worker.SeverityWarning, "task {id} does not hold its unique key", fixIt},
	"unique_shared":  {worker.SeverityWarning, "tasks {id} and {detail} are both live under the same unique key", "stop one of them"},
	"unique_stale":   {worker.SeverityWarning, "a unique key for {id}, which is no live task that has it", fixIt},

	// Running tasks.
	"bad_run":       {worker.SeverityError, "the run entry of task {id} cannot be read", fixIt},
	"run_unflagged": {worker.SeverityError, "the run entry of task {id} denies that its end has more to do", fixIt},
	"no_run":        {worker.SeverityError, "task {id} runs under claim {detail} and has no run entry", fixIt},
	"no_claim":      {worker.SeverityError, "task {id} runs under claim {detail}, which does not exist", fixIt},
	"bad_claim":     {worker.SeverityError, "claim {id} cannot be read", fixIt},
	"no_lease":      {worker.SeverityError, "claim {id} of replica {detail} has no lease", fixIt},
	"lease_alone":   {worker.SeverityWarning, "a lease of claim {id}, which does not exist", fixIt},
	"far_lease":     {worker.SeverityError, "the lease of {id} ends later than its length allows: Redis's clock has gone back", fixIt},
	"not_in_group":  {worker.SeverityError, "task {id} runs and does not count towards its group's limit", fixIt},
	"not_counted":   {worker.SeverityError, "task {id} runs and does not count towards the pool's limit", fixIt},
	"stop_lost":     {worker.SeverityError, "task {id} was asked to stop, and its replica is not asked", fixIt},

	// Groups, classes, queues.
	"stale_head":     {worker.SeverityError, "the first of group {id} is noted here, and is not in the queue", fixIt},
	"group_stuck":    {worker.SeverityError, "task {id} of group {detail} is held back, though its group has room", fixIt},
	"group_unlisted": {worker.SeverityError, "tasks of this group wait in queue {id}, which is not listed here", fixIt},
	"not_ready":      {worker.SeverityError, "queue {id} has claimable tasks and is not listed here", fixIt},
	"not_in_class":   {worker.SeverityError, "{id} is not listed here, where queues are woken for it", fixIt},
	"class_alone":    {worker.SeverityWarning, "class {id} has no replicas", fixIt},
	"stale_entry":    {worker.SeverityWarning, "an entry for {id}, which is gone", fixIt},
	"replica_alone":  {worker.SeverityWarning, "a record of a replica that is not on the list and long silent", fixIt},

	// Settings, totals, other keys.
	"bad_setting":       {worker.SeverityError, "the field {id} is {quoted}, which is no number", fixIt},
	"sequence_behind":   {worker.SeverityError, "the number {id} has not reached {detail}, which is in use", fixIt},
	"meta_lost":         {worker.SeverityError, "the pool's settings are gone: limits do not hold", fixIt},
	"events_miscounted": {worker.SeverityWarning, "the event stream cannot hold {detail} events, as its totals say", fixIt},
	"load_stale":        {worker.SeverityWarning, "counts of what came and went long ago", fixIt},
	"no_expiry":         {worker.SeverityWarning, "the key never expires", fixIt},
	"wrong_type":        {worker.SeverityError, "the key is a {detail}", moveIt},
	"quarantined":       {worker.SeverityWarning, "kept under this name because it is broken", "look at it: rename it back once it is repaired, or delete it"},
	"unknown":           {worker.SeverityNote, "a key that this version does not know", "none, if another version or program put it there"},
	unchecked:           {worker.SeverityError, "cannot be checked: {detail}", "repair the other findings first, then look again"},
}

// damage is the finding that a code of the check script stands for.
func damage(code, key, id, detail, fixed string) worker.Finding {
	f := worker.Finding{Check: entriesCheck, Code: code, Key: key, Task: id, Fixed: fixed}
	d, ok := damages[code]
	if !ok {
		d.severity, d.what = worker.SeverityError, code+" {id} {detail}"
	}
	f.Severity, f.Do = d.severity, d.do
	f.What = strings.NewReplacer("{id}", id, "{detail}", detail, "{quoted}", strconv.Quote(detail)).Replace(d.what)
	return f
}
