package redisstore

import (
	"github.com/ltsworker/ltsworker/internal/findings"
	"github.com/ltsworker/ltsworker/task"
)

// unchecked is the code of an entry that could not be checked.
const unchecked = "unchecked"

// damage returns the finding for a code of the check script.
func damage(code, key, id, detail, fixed string) task.Finding {
	f := findings.New(code, findings.Named("id", id), findings.Named("detail", detail))
	f.Key, f.Fixed = key, fixed
	return f
}
