package findings

import "github.com/ltsworker/ltsworker/task"

// entries is the check of the keys of a pool.
const entries = "entries"

const (
	fixIt  = "repair it with doctor --fix; otherwise maintenance repairs it later"
	moveIt = "read the key, then repair with doctor --fix, which renames the whole key"
)

// damages are the codes of the check script. id is the task or another member of the key.
var damages = map[string]Text{
	// Tasks and indexes.
	"bad_record":     {entries, task.SeverityError, "the record of task {id} {detail}", moveIt},
	"no_record":      {entries, task.SeverityError, "an entry for {id}, which is no usable task", fixIt},
	"wrong_index":    {entries, task.SeverityError, "a wrong entry for task {id}, which is {detail}", fixIt},
	"no_entry":       {entries, task.SeverityError, "task {id} is {detail} and has no entry here", fixIt},
	"queue_unlisted": {entries, task.SeverityError, "queue {detail} of task {id} is not listed", fixIt},
	"unwatched":      {entries, task.SeverityWarning, "task {id} has a TTL or deadline that maintenance does not watch", fixIt},
	"far_due":        {entries, task.SeverityNote, "task {id} is due in more than ten years, at {detail} ms", "stop it if that is a mistake"},
	"past_alone":     {entries, task.SeverityWarning, "extras or a history of {id}, which does not exist", fixIt},
	"past_unflagged": {entries, task.SeverityError, "task {id} has extras or a history, and its record says that it has none", fixIt},
	"unique_unheld":  {entries, task.SeverityWarning, "task {id} does not hold its unique key", fixIt},
	"unique_shared":  {entries, task.SeverityWarning, "tasks {id} and {detail} are both live under the same unique key", "stop one of them"},
	"unique_stale":   {entries, task.SeverityWarning, "a unique key for {id}, which is not a live task with this key", fixIt},

	// Running tasks.
	"bad_run":           {entries, task.SeverityError, "the run entry of task {id} cannot be read", fixIt},
	"run_unflagged":     {entries, task.SeverityError, "the run entry of task {id} lacks the flag to read the task at the end", fixIt},
	"no_run":            {entries, task.SeverityError, "task {id} runs under claim {detail} and has no run entry", fixIt},
	"no_claim":          {entries, task.SeverityError, "task {id} runs under claim {detail}, which does not exist", fixIt},
	"bad_claim":         {entries, task.SeverityError, "claim {id} cannot be read", fixIt},
	"no_lease":          {entries, task.SeverityError, "claim {id} of replica {detail} has no lease", fixIt},
	"lease_alone":       {entries, task.SeverityWarning, "a lease of claim {id}, which does not exist", fixIt},
	"no_outside":        {entries, task.SeverityError, "task {id} waits for a report from outside, and nothing ends the wait", fixIt},
	"far_outside":       {entries, task.SeverityError, "task {id} waits for a report from outside longer than it may: Redis's clock was set back", fixIt},
	"far_lease":         {entries, task.SeverityError, "the lease of {id} ends later than its length allows: Redis's clock was set back", fixIt},
	"shards_miscounted": {entries, task.SeverityError, "parent {id} has a wrong number in {detail}", fixIt},
	"shards_stuck":      {entries, task.SeverityError, "nothing makes the children of parent {id}, or ends it", fixIt},
	"shard_lost":        {entries, task.SeverityError, "parent {id} waits for {detail} shards that have no child", fixIt},
	"child_gone":        {entries, task.SeverityError, "a pending child {id}, which is no live child of this parent", fixIt},
	"children_live":     {entries, task.SeverityError, "parent {id} has ended, and nothing stops its children", fixIt},
	"child_waits":       {entries, task.SeverityError, "child {id} of a broadcast waits for {detail}, which has gone, and nothing ends it", fixIt},
	"job_waits":         {entries, task.SeverityError, "task {id} has a job and waits for {detail}, which has gone, and nothing ends it", fixIt},
	"not_in_group":      {entries, task.SeverityError, "task {id} runs and does not count towards its group's limit", fixIt},
	"not_counted":       {entries, task.SeverityError, "task {id} runs and does not count towards the pool's limit", fixIt},
	"stop_lost":         {entries, task.SeverityError, "task {id} was asked to stop, but its replica does not get the request", fixIt},

	// Groups, classes, queues.
	"stale_head":       {entries, task.SeverityError, "the first task of group {id} according to this key is not in the queue", fixIt},
	"group_stuck":      {entries, task.SeverityError, "task {id} of group {detail} is blocked, although its group has room", fixIt},
	"group_unlisted":   {entries, task.SeverityError, "tasks of this group wait in queue {id}, which is not listed here", fixIt},
	"no_timer":         {entries, task.SeverityError, "{id} waits for its rate (q: queue, g: group), and nothing ends the wait", fixIt},
	"far_timer":        {entries, task.SeverityError, "{id} waits for its rate (q: queue, g: group) longer than the rate says: Redis's clock was set back", fixIt},
	"not_special":      {entries, task.SeverityError, "the rate, the aging or the take-overs of queue {id} are ignored", fixIt},
	"bad_job":          {entries, task.SeverityError, "the record of bulk job {id} cannot be read", moveIt},
	"not_ready":        {entries, task.SeverityError, "queue {id} has claimable tasks and is not listed here", fixIt},
	"trigger_unlisted": {entries, task.SeverityError, "trigger {id} is not listed here, so it does not fire", fixIt},
	"not_in_class":     {entries, task.SeverityError, "{id} is not listed here, so it gets no signals for ready queues", fixIt},
	"class_alone":      {entries, task.SeverityWarning, "class {id} has no replicas", fixIt},
	"stale_entry":      {entries, task.SeverityWarning, "an entry for {id}, which no longer exists", fixIt},
	"shards_late":      {entries, task.SeverityWarning, "the children of {id} have waited {detail} s for a replica to make, to stop or to end them", "start a replica; a running one handles it within seconds"},
	"former_unlisted":  {entries, task.SeverityWarning, "former replica {id} is not listed here, so it is never removed", fixIt},
	"replica_alone":    {entries, task.SeverityWarning, "a record of a replica that is not on the list and has been silent for over an hour", fixIt},

	// Settings, totals, other keys.
	"bad_setting":       {entries, task.SeverityError, `the field {id} is {"detail"}, which is not a value that the field can have`, fixIt},
	"sequence_behind":   {entries, task.SeverityError, "the number {id} is below {detail}, which is in use", fixIt},
	"meta_lost":         {entries, task.SeverityError, "the pool's settings are gone: limits do not apply", fixIt},
	"events_miscounted": {entries, task.SeverityWarning, "the event stream cannot contain {detail} events, as its totals say", fixIt},
	"load_stale":        {entries, task.SeverityWarning, "counts of tasks made and ended that should have expired", fixIt},
	"no_expiry":         {entries, task.SeverityWarning, "the key never expires", fixIt},
	"wrong_type":        {entries, task.SeverityError, "the key is a {detail}", moveIt},
	"quarantined":       {entries, task.SeverityWarning, "kept under this name because it is broken", "read it, then repair it and rename it back, or delete it"},
	"unknown":           {entries, task.SeverityNote, "a key that this version does not know", "nothing, if another version or program wrote it"},
	"unchecked":         {entries, task.SeverityError, "cannot be checked: {detail}", "repair the other findings first, then run doctor again"},
}
