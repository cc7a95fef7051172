package redisstore

import (
	"fmt"

	"github.com/ltsworker/ltsworker/worker"
)

// entriesCheck is the Check of every finding about the pool's keys.
const entriesCheck = "entries"

const fixIt = "repair it with doctor --fix; upkeep does the same in its own time"

// damages says what the words of the check script mean. A %[1]s is the task or
// member, a %[2]s the detail.
var damages = map[string]struct {
	severity worker.Severity
	what, do string
}{
	"no_body":         {worker.Error, "an entry for %[1]s, which is no usable task", fixIt},
	"wrong_index":     {worker.Error, "an entry for task %[1]s, which is %[2]s, or stands there twice", fixIt},
	"no_entry":        {worker.Error, "task %[1]s is %[2]s and has no entry here", fixIt},
	"bad_body":        {worker.Error, "task %[1]s %[2]s", "look at it, then repair with doctor --fix: it moves the whole key out of the way"},
	"wrong_type":      {worker.Error, "the key is a %[2]s", "look at it, then repair with doctor --fix: it moves the whole key out of the way"},
	"queue_unlisted":  {worker.Error, "queue %[2]s of task %[1]s is not listed", fixIt},
	"not_in_group":    {worker.Error, "task %[1]s runs and does not count towards its group's limit", fixIt},
	"unwatched":       {worker.Warning, "task %[1]s has a TTL or deadline that nothing watches", fixIt},
	"unique_unheld":   {worker.Warning, "task %[1]s does not hold its unique key", fixIt},
	"unique_shared":   {worker.Warning, "tasks %[1]s and %[2]s are both live under the same unique key", "stop one of them"},
	"unique_stale":    {worker.Warning, "a unique key for %[1]s, which is no live task that has it", fixIt},
	"history_alone":   {worker.Warning, "a history of %[1]s, which is no task", fixIt},
	"head_stale":      {worker.Error, "the first of group %[1]s is remembered here, and is not in the line", fixIt},
	"group_stuck":     {worker.Error, "task %[1]s of group %[2]s is held back, though its group has room", fixIt},
	"replica_alone":   {worker.Warning, "a record of a replica that is not on the list and long silent", fixIt},
	"load_stale":      {worker.Warning, "counts of what came and went long ago", fixIt},
	"quarantined":     {worker.Warning, "kept here, out of everybody's way, because it is broken", "look at it: rename it back once it is repaired, or delete it"},
	"unknown":         {worker.Note, "a key that this version does not know", "none, if another version or program put it there"},
	"bad_setting":     {worker.Error, "the setting %[1]s is %[2]q, which is no number", fixIt},
	"sequence_behind": {worker.Error, "the sequence has not reached %[2]s, which was given out already", fixIt},
	"meta_lost":       {worker.Error, "the pool's settings are gone: limits do not hold", fixIt},
	"unjudged":        {worker.Error, "cannot be judged: %[2]s", "repair the other findings first, then look again"},
}

// damage is the finding that a word of the check script stands for.
func damage(code, key, id, detail, fixed string) worker.Finding {
	f := worker.Finding{Check: entriesCheck, Code: code, Key: key, Task: id, Fixed: fixed}
	d, ok := damages[code]
	if !ok {
		d.severity, d.what = worker.Error, code+" %[1]s %[2]s"
	}
	f.Severity, f.Do = d.severity, d.do
	// Numbered verbs are what lets a text leave one of the two out.
	f.What = fmt.Sprintf(d.what+"%[3]s", id, detail, "")
	return f
}
