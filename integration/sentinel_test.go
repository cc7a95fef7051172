package integration

import (
	"testing"

	"github.com/ltsworker/ltsworker/integration/redisserver"
)

// The master behind Sentinel is killed under load and its replica is promoted.
// No replica of the pool is restarted. Writes that the Redis replica had not
// received are lost. make soak takes all failovers.
func TestMasterBehindSentinelIsKilled(t *testing.T) {
	t.Parallel()
	for _, f := range sample(seeded(t), failovers, 1) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			sentinel := redisserver.StartSentinel(t)
			s := siteAt(t, sentinel.Client, f.store...)
			s.failover(sentinel.Master, sentinel.Replica, f.lags, func() {
				sentinel.AwaitPromotion(t, sentinel.Master)
			})
		})
	}
}
