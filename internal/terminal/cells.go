package terminal

import (
	"fmt"
	"strconv"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// LimitText says a limit, for which zero means none.
func LimitText(n int) string {
	if n == 0 {
		return "none"
	}
	return strconv.Itoa(n)
}

// RunningText is how many run, with their limit where they have one.
func RunningText(running, limit int) string {
	if limit == 0 {
		return strconv.Itoa(running)
	}
	return fmt.Sprintf("%d/%d", running, limit)
}

// WaitText is how long something waits, "-" where nothing does.
func WaitText(d time.Duration) string {
	if d <= 0 {
		return "-"
	}
	return ShortDuration(d)
}

// RateText is so many per second: as exact as a person wants to read.
func RateText(perSecond float64) string {
	switch {
	case perSecond <= 0:
		return "-"
	case perSecond < 9.95:
		return strconv.FormatFloat(perSecond, 'f', 1, 64)
	}
	return strconv.FormatFloat(perSecond, 'f', 0, 64)
}

// QueueState is what keeps the tasks of the queue from starting, "" for nothing
// but slots and limits.
func QueueState(q task.QueueInfo, poolPaused bool) string {
	switch {
	case poolPaused:
		return "pool paused"
	case q.Paused:
		return "paused"
	case q.GroupsFull:
		return "groups full"
	}
	return ""
}

// FlagText returns word where on is set, else "".
func FlagText(on bool, word string) string {
	if on {
		return word
	}
	return ""
}

// Slots is how many tasks the replica runs at once.
func Slots(r task.ReplicaInfo) int {
	n := 0
	for _, workers := range r.Queues {
		n += workers
	}
	return n
}

// NotEmpty is the colour of a cell that draws the eye where it says something.
func NotEmpty(s Style) func(string) Style {
	return func(text string) Style {
		if text == "" || text == "0" || text == "-" {
			return Plain
		}
		return s
	}
}
