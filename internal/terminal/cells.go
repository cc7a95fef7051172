package terminal

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// LimitText returns a limit. 0 is "none".
func LimitText(n int) string {
	if n == 0 {
		return "none"
	}
	return strconv.Itoa(n)
}

// GroupLimitText returns the limit of a group. own is false if it is the default limit.
func GroupLimitText(limit int, own bool) string {
	if own {
		return LimitText(limit)
	}
	return LimitText(limit) + " (default)"
}

// RunningText returns how many tasks run, as in "3", or with a limit as in "3/10".
func RunningText(running, limit int) string {
	if limit == 0 {
		return strconv.Itoa(running)
	}
	return fmt.Sprintf("%d/%d", running, limit)
}

// WaitText returns how long something has waited. 0 is "-".
func WaitText(d time.Duration) string {
	if d <= 0 {
		return "-"
	}
	return ShortDuration(d)
}

// RateText returns a number per second, below 10 with one decimal. 0 is "-".
func RateText(perSecond float64) string {
	switch {
	case perSecond <= 0:
		return "-"
	case perSecond < 9.95:
		return strconv.FormatFloat(perSecond, 'f', 1, 64)
	}
	return strconv.FormatFloat(perSecond, 'f', 0, 64)
}

// QueueState returns what keeps the tasks of the queue from starting. It is "" if only
// slots and limits do.
func QueueState(q task.QueueInfo, poolPaused bool) string {
	switch {
	case poolPaused:
		return "pool paused"
	case q.Paused:
		return "paused"
	case !q.RateUntil.IsZero():
		return "rate, next at " + q.RateUntil.Local().Format("15:04:05.000")
	case q.GroupsFull:
		return "groups full"
	}
	return ""
}

// RateLimitText returns a rate. The zero Rate is "none".
func RateLimitText(r task.Rate) string {
	if !r.Limits() {
		return "none"
	}
	return r.String()
}

// GroupRateText returns the rate of a group. own is false if it is the default rate.
func GroupRateText(r task.Rate, own bool) string {
	if own {
		return RateLimitText(r)
	}
	return RateLimitText(r) + " (default)"
}

// FlagText returns word if on is true, else "".
func FlagText(on bool, word string) string {
	if on {
		return word
	}
	return ""
}

// ReplicaState returns why the replica takes no tasks, and the kinds that it does not run;
// "" if it runs tasks of all its kinds.
func ReplicaState(r task.ReplicaInfo) string {
	switch {
	case r.Draining:
		return "draining"
	case r.Refuses != "":
		return "refuses: " + Printable(r.Refuses)
	case len(r.Outages) > 0:
		of := r.Outages[0].Of
		if more := len(r.Outages) - 1; more > 0 {
			of += fmt.Sprintf(" and %d more", more)
		}
		return "cannot use " + Printable(of)
	case len(r.Disabled) > 0:
		return "disabled: " + Printable(strings.Join(r.Disabled, ","))
	}
	return ""
}

// Slots returns how many tasks the replica runs at once.
func Slots(r task.ReplicaInfo) int {
	n := 0
	counted := map[string]bool{}
	for q, workers := range r.Queues {
		shared := r.Shared[q]
		if shared == "" || !counted[shared] {
			n += workers
		}
		counted[shared] = true
	}
	return n
}

// QueueSlots lists the replica's queues with their slots: "default:4,slow:1". Those that share
// slots are together: "a+b:8".
func QueueSlots(r task.ReplicaInfo) string {
	together := map[string][]string{} // queues by the first one that has the slots
	first := map[string]string{}      // queue by the name of the slots
	for _, q := range slices.Sorted(maps.Keys(r.Queues)) {
		key := q
		if shared := r.Shared[q]; shared != "" {
			if first[shared] == "" {
				first[shared] = q
			}
			key = first[shared]
		}
		together[key] = append(together[key], Printable(q))
	}
	var parts []string
	for _, q := range slices.Sorted(maps.Keys(together)) {
		parts = append(parts, fmt.Sprintf("%s:%d", strings.Join(together[q], "+"), r.Queues[q]))
	}
	return strings.Join(parts, ",")
}

// NotEmpty returns s for a cell with a value, and Plain for "", "0" and "-".
func NotEmpty(s Style) func(string) Style {
	return func(text string) Style {
		if text == "" || text == "0" || text == "-" {
			return Plain
		}
		return s
	}
}

// AgingText returns the aging of a queue. 0 is "none".
func AgingText(step time.Duration) string {
	if step == 0 {
		return "none"
	}
	return step.String() + " per priority"
}
