package metrics

import "github.com/ltsworker/ltsworker/pool"

// Observer returns what observes the pool.
func (c *Collector) Observer() pool.Observer { return c.attempts }
