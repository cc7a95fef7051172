package redisstore

import (
	"strconv"
	"strings"

	"github.com/ltsworker/ltsworker/worker"
)

// entriesCheck is the Check of every finding about the pool's keys.
const entriesCheck = "entries"

const fixIt = "repair it with doctor --fix; upkeep does the same in its own time"

// damages says what the words of the check script mean: {id} stands for the task
// or member, {detail} and {quoted} for what the script adds.
var damages = map[string]struct {
	severity worker.Severity
	what, do string
}{
	"no_body":         {worker.SeverityError, "an entry for {id}, which is no usable task", fixIt},
	"wrong_index":     {worker.SeverityError, "an entry for task {id}, which is {detail}, or stands there twice", fixIt},
	"no_entry":        {worker.SeverityError, "task {id} is {detail} and has no entry here", fixIt},
	"bad_body":        {worker.SeverityError, "task {id} {detail}", "look at it, then repair with doctor --fix: it moves the whole key out of the way"},
	"wrong_type":      {worker.SeverityError, "the key is a {detail}", "look at it, then repair with doctor --fix: it moves the whole key out of the way"},
	"queue_unlisted":  {worker.SeverityError, "queue {detail} of task {id} is not listed", fixIt},
	"not_in_group":    {worker.SeverityError, "task {id} runs and does not count towards its group's limit", fixIt},
	"unwatched":       {worker.SeverityWarning, "task {id} has a TTL or deadline that nothing watches", fixIt},
	"unique_unheld":   {worker.SeverityWarning, "task {id} does not hold its unique key", fixIt},
	"unique_shared":   {worker.SeverityWarning, "tasks {id} and {detail} are both live under the same unique key", "stop one of them"},
	"unique_stale":    {worker.SeverityWarning, "a unique key for {id}, which is no live task that has it", fixIt},
	"history_alone":   {worker.SeverityWarning, "a history of {id}, which is no task", fixIt},
	"head_stale":      {worker.SeverityError, "the first of group {id} is remembered here, and is not in the line", fixIt},
	"group_stuck":     {worker.SeverityError, "task {id} of group {detail} is held back, though its group has room", fixIt},
	"replica_alone":   {worker.SeverityWarning, "a record of a replica that is not on the list and long silent", fixIt},
	"load_stale":      {worker.SeverityWarning, "counts of what came and went long ago", fixIt},
	"quarantined":     {worker.SeverityWarning, "kept here, out of everybody's way, because it is broken", "look at it: rename it back once it is repaired, or delete it"},
	"unknown":         {worker.SeverityNote, "a key that this version does not know", "none, if another version or program put it there"},
	"bad_setting":     {worker.SeverityError, "the setting {id} is {quoted}, which is no number", fixIt},
	"sequence_behind": {worker.SeverityError, "the sequence has not reached {detail}, which was given out already", fixIt},
	"meta_lost":       {worker.SeverityError, "the pool's settings are gone: limits do not hold", fixIt},
	"unjudged":        {worker.SeverityError, "cannot be judged: {detail}", "repair the other findings first, then look again"},
}

// damage is the finding that a word of the check script stands for.
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
