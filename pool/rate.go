package pool

import "github.com/ltsworker/ltsworker/task"

// NoRate is the Rate that says "no rate" where the zero Rate sets nothing.
var NoRate = task.NoRate

// NoAging is the aging of a queue that says "no aging" where 0 sets nothing.
const NoAging = task.NoAging

// PerSecond returns the rate of n starts per second with the default burst.
func PerSecond(n int) Rate { return task.PerSecond(n) }

// PerMinute returns the rate of n starts per minute with the default burst.
func PerMinute(n int) Rate { return task.PerMinute(n) }

// PerHour returns the rate of n starts per hour with the default burst.
func PerHour(n int) Rate { return task.PerHour(n) }

// ParseRate reads a rate such as "100/s burst 10", "5/m" or "none".
func ParseRate(text string) (Rate, error) { return task.ParseRate(text) }
