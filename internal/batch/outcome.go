package batch

import (
	"errors"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// The outcomes of a task of a batch that was not made or that may not have been made.
// Output for programs has these words.
const (
	Refused  = "refused"   // it was not made
	NotTried = "not_tried" // it was not made, since Redis failed before it
	Unknown  = "unknown"   // it may have been made or not
)

// Outcome returns the outcome of a task by the error in its receipt. It returns "" for
// nil: the task was made.
func Outcome(err error) string {
	var field *task.FieldError
	switch {
	case err == nil:
		return ""
	case errors.Is(err, task.ErrQueueFull), errors.Is(err, task.ErrLimitReached), errors.Is(err, task.ErrSchema), errors.As(err, &field), refusesWrites(err):
		return Refused
	case errors.Is(err, pool.ErrNotTried):
		return NotTried
	}
	return Unknown
}

// refusesWrites reports whether err is an error that Redis returns for the first write
// of a script only, or for the whole script. Then nothing has been written.
func refusesWrites(err error) bool {
	var answer redis.Error
	return errors.As(err, &answer) && !strings.Contains(answer.Error(), "ACL failure in script") &&
		slices.ContainsFunc([]string{"OOM", "READONLY", "MISCONF", "NOPERM"}, func(prefix string) bool {
			return redis.HasErrorPrefix(answer, prefix)
		})
}
