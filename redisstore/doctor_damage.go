package redisstore

import (
	"strconv"
	"strings"

	"github.com/ltsworker/ltsworker/task"
)

// entriesCheck is the Check of every finding about the pool's keys.
const entriesCheck = "entries"

// unchecked is the code of an entry that could not be checked.
const unchecked = "unchecked"

const (
	fixIt  = "repair it with doctor --fix; otherwise maintenance repairs it later"
	moveIt = "read the key, then repair with doctor --fix, which renames the whole key"
)

// damages describes the codes of the check script. {id} stands for the task or member,
// {detail} for the detail of the finding, {quoted} for the detail in quotes.
var damages = map[string]struct {
	severity task.Severity
	what, do string
}{
	// Tasks and indexes.
	"bad_record":     {task.SeverityError, "the record of task {id} {detail}", moveIt},
	"no_record":      {task.SeverityError, "an entry for {id}, which is no usable task", fixIt},
	"wrong_index":    {task.SeverityError, "a wrong entry for task {id}, which is {detail}", fixIt},
	"no_entry":       {task.SeverityError, "task {id} is {detail} and has no entry here", fixIt},
	"queue_unlisted": {task.SeverityError, "queue {detail} of task {id} is not listed", fixIt},
	"unwatched":      {task.SeverityWarning, "task {id} has a TTL or deadline that maintenance does not watch", fixIt},
	"far_due":        {task.SeverityNote, "task {id} is due in more than ten years, at {detail} ms", "stop it if that is a mistake"},
	"past_alone":     {task.SeverityWarning, "extras or a history of {id}, which does not exist", fixIt},
	"past_unflagged": {task.SeverityError, "task {id} has extras or a history, and its record says that it has none", fixIt},
	"unique_unheld":  {task.SeverityWarning, "task {id} does not hold its unique key", fixIt},
	"unique_shared":  {task.SeverityWarning, "tasks {id} and {detail} are both live under the same unique key", "stop one of them"},
	"unique_stale":   {task.SeverityWarning, "a unique key for {id}, which is not a live task with this key", fixIt},

	// Running tasks.
	"bad_run":           {task.SeverityError, "the run entry of task {id} cannot be read", fixIt},
	"run_unflagged":     {task.SeverityError, "the run entry of task {id} lacks the flag to read the task at the end", fixIt},
	"no_run":            {task.SeverityError, "task {id} runs under claim {detail} and has no run entry", fixIt},
	"no_claim":          {task.SeverityError, "task {id} runs under claim {detail}, which does not exist", fixIt},
	"bad_claim":         {task.SeverityError, "claim {id} cannot be read", fixIt},
	"no_lease":          {task.SeverityError, "claim {id} of replica {detail} has no lease", fixIt},
	"lease_alone":       {task.SeverityWarning, "a lease of claim {id}, which does not exist", fixIt},
	"no_outside":        {task.SeverityError, "task {id} waits for a report from outside, and nothing ends the wait", fixIt},
	"far_outside":       {task.SeverityError, "task {id} waits for a report from outside longer than it may: Redis's clock was set back", fixIt},
	"far_lease":         {task.SeverityError, "the lease of {id} ends later than its length allows: Redis's clock was set back", fixIt},
	"shards_miscounted": {task.SeverityError, "parent {id} has a wrong number in {detail}", fixIt},
	"shards_stuck":      {task.SeverityError, "nothing makes the children of parent {id}, or ends it", fixIt},
	"shard_lost":        {task.SeverityError, "parent {id} waits for {detail} shards that have no child", fixIt},
	"child_gone":        {task.SeverityError, "a pending child {id}, which is no live child of this parent", fixIt},
	"children_live":     {task.SeverityError, "parent {id} has ended, and nothing stops its children", fixIt},
	"child_waits":       {task.SeverityError, "child {id} of a broadcast waits for {detail}, which has gone, and nothing ends it", fixIt},
	"job_waits":         {task.SeverityError, "task {id} has a job and waits for {detail}, which has gone, and nothing ends it", fixIt},
	"not_in_group":      {task.SeverityError, "task {id} runs and does not count towards its group's limit", fixIt},
	"not_counted":       {task.SeverityError, "task {id} runs and does not count towards the pool's limit", fixIt},
	"stop_lost":         {task.SeverityError, "task {id} was asked to stop, but its replica does not get the request", fixIt},

	// Groups, classes, queues.
	"stale_head":       {task.SeverityError, "the first task of group {id} according to this key is not in the queue", fixIt},
	"group_stuck":      {task.SeverityError, "task {id} of group {detail} is blocked, although its group has room", fixIt},
	"group_unlisted":   {task.SeverityError, "tasks of this group wait in queue {id}, which is not listed here", fixIt},
	"no_timer":         {task.SeverityError, "{id} waits for its rate (q: queue, g: group), and nothing ends the wait", fixIt},
	"far_timer":        {task.SeverityError, "{id} waits for its rate (q: queue, g: group) longer than the rate says: Redis's clock was set back", fixIt},
	"not_special":      {task.SeverityError, "the rate, the aging or the take-overs of queue {id} are ignored", fixIt},
	"bad_job":          {task.SeverityError, "the record of bulk job {id} cannot be read", moveIt},
	"not_ready":        {task.SeverityError, "queue {id} has claimable tasks and is not listed here", fixIt},
	"trigger_unlisted": {task.SeverityError, "trigger {id} is not listed here, so it does not fire", fixIt},
	"not_in_class":     {task.SeverityError, "{id} is not listed here, so it gets no signals for ready queues", fixIt},
	"class_alone":      {task.SeverityWarning, "class {id} has no replicas", fixIt},
	"stale_entry":      {task.SeverityWarning, "an entry for {id}, which no longer exists", fixIt},
	"shards_late":      {task.SeverityWarning, "the children of {id} have waited {detail} s for a replica to make, to stop or to end them", "start a replica; a running one handles it within seconds"},
	"former_unlisted":  {task.SeverityWarning, "former replica {id} is not listed here, so it is never removed", fixIt},
	"replica_alone":    {task.SeverityWarning, "a record of a replica that is not on the list and has been silent for over an hour", fixIt},

	// Settings, totals, other keys.
	"bad_setting":       {task.SeverityError, "the field {id} is {quoted}, which is not a value that the field can have", fixIt},
	"sequence_behind":   {task.SeverityError, "the number {id} is below {detail}, which is in use", fixIt},
	"meta_lost":         {task.SeverityError, "the pool's settings are gone: limits do not apply", fixIt},
	"events_miscounted": {task.SeverityWarning, "the event stream cannot contain {detail} events, as its totals say", fixIt},
	"load_stale":        {task.SeverityWarning, "counts of tasks made and ended that should have expired", fixIt},
	"no_expiry":         {task.SeverityWarning, "the key never expires", fixIt},
	"wrong_type":        {task.SeverityError, "the key is a {detail}", moveIt},
	"quarantined":       {task.SeverityWarning, "kept under this name because it is broken", "read it, then repair it and rename it back, or delete it"},
	"unknown":           {task.SeverityNote, "a key that this version does not know", "nothing, if another version or program wrote it"},
	unchecked:           {task.SeverityError, "cannot be checked: {detail}", "repair the other findings first, then run doctor again"},
}

// damage returns the finding for a code of the check script.
func damage(code, key, id, detail, fixed string) task.Finding {
	f := task.Finding{Check: entriesCheck, Code: code, Key: key, Task: id, Fixed: fixed}
	d, ok := damages[code]
	if !ok {
		d.severity, d.what = task.SeverityError, code+" {id} {detail}"
	}
	f.Severity, f.Do = d.severity, d.do
	f.What = strings.NewReplacer("{id}", id, "{detail}", detail, "{quoted}", strconv.Quote(detail)).Replace(d.what)
	return f
}
