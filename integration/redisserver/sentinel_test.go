package redisserver

import (
	"context"
	"testing"
)

func TestSentinelsPromoteTheReplicaOfAKilledMaster(t *testing.T) {
	s := StartSentinel(t)
	rdb := s.Client(t)
	if err := rdb.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	// WAIT applies to the writes of its own connection.
	master := s.Master.Client(t)
	if err := master.Set(t.Context(), "k2", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := master.Do(t.Context(), "WAIT", 1, patience.Milliseconds()).Int(); n != 1 || err != nil {
		t.Fatalf("%d replicas, %v", n, err)
	}
	s.Master.Kill(t)
	if now := s.AwaitPromotion(t, s.Master); now != s.Replica {
		t.Errorf("%s was promoted", now.Addr())
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := until(ctx, func() error { return rdb.Get(ctx, "k").Err() }); err != nil {
		t.Errorf("the old client does not find the new master: %v", err)
	}
}
