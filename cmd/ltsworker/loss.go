package main

import (
	"fmt"

	"github.com/ltsworker/ltsworker/task"
)

// dropped is about how many of n tasks that are stopped at once are not kept.
func dropped(n int) int { return max(n-task.RetainNewest, 0) }

func loss(n int) string {
	if dropped(n) == 0 {
		return ""
	}
	return fmt.Sprintf("; only the newest %d are kept, about %d are gone for good", task.RetainNewest, dropped(n))
}
