package client

import (
	"fmt"

	"github.com/ltsworker/ltsworker/task"
)

// Dropped returns about how many of n tasks that are stopped at once are not kept.
func Dropped(n int) int { return max(n-task.RetainNewest, 0) }

// Loss returns the part of a message that says how many of n stopped tasks are not
// kept. It is "" if all are.
func Loss(n int) string {
	if Dropped(n) == 0 {
		return ""
	}
	return fmt.Sprintf("; only the newest %d are kept, about %d are gone for good", task.RetainNewest, Dropped(n))
}
