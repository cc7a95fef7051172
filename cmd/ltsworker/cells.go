package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// limitText says a limit, for which zero means none.
func limitText(n int) string {
	if n == 0 {
		return "none"
	}
	return strconv.Itoa(n)
}

// runningText is how many run, with their limit where they have one.
func runningText(running, limit int) string {
	if limit == 0 {
		return strconv.Itoa(running)
	}
	return fmt.Sprintf("%d/%d", running, limit)
}

// waitText is how long something waits, "-" where nothing does.
func waitText(d time.Duration) string {
	if d <= 0 {
		return "-"
	}
	return shortDuration(d)
}

// rateText is so many per second: as exact as a person wants to read.
func rateText(perSecond float64) string {
	switch {
	case perSecond <= 0:
		return "-"
	case perSecond < 9.95:
		return strconv.FormatFloat(perSecond, 'f', 1, 64)
	}
	return strconv.FormatFloat(perSecond, 'f', 0, 64)
}

// queueState is what keeps the tasks of the queue from starting, "" for nothing
// but slots and limits.
func queueState(q task.QueueInfo, poolPaused bool) string {
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

// flagText returns word where on is set, else "".
func flagText(on bool, word string) string {
	if on {
		return word
	}
	return ""
}

// slots is how many tasks the replica runs at once.
func slots(r task.ReplicaInfo) int {
	n := 0
	for _, workers := range r.Queues {
		n += workers
	}
	return n
}

// notEmpty is the colour of a cell that draws the eye where it says something.
func notEmpty(s style) func(string) style {
	return func(text string) style {
		if text == "" || text == "0" || text == "-" {
			return plain
		}
		return s
	}
}
