//go:build !race

package redisstore_test

import (
	"testing"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool/storetest"
)

const raced = false

// The rules run on a cluster without the race detector only: on one server they run with it, and
// the cluster differs in what Redis accepts.
func TestStoreOnACluster(t *testing.T) {
	c := redisserver.StartCluster(t)
	takes := quarter(t)
	t.Run("cluster", func(t *testing.T) {
		storetest.Run(t, func(t testing.TB) storetest.Harness {
			s, peer := onCluster(t, c)
			h := s.harness(t)
			h.Peer = peer
			h.Takes = takes
			return h
		})
	})
}
