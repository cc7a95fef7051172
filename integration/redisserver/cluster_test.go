package redisserver

import (
	"net"
	"strconv"
	"testing"
)

func TestClusterKeepsKeysOnEveryMaster(t *testing.T) {
	c := StartCluster(t)
	rdb := c.Client(t)
	holders := map[*Server]bool{}
	for i := range 30 {
		key := "k" + strconv.Itoa(i)
		if err := rdb.Set(t.Context(), key, "v", 0).Err(); err != nil {
			t.Fatal(err)
		}
		holders[c.MasterOf(t, key)] = true
	}
	if len(holders) != len(c.Masters) {
		t.Errorf("keys are on %d masters", len(holders))
	}
}

func TestMovedSlotTakesItsKeysAlong(t *testing.T) {
	c := StartCluster(t)
	rdb := c.Client(t)
	for i := range 25 {
		if err := rdb.Set(t.Context(), "{a}"+strconv.Itoa(i), i, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	from := c.MasterOf(t, "{a}")
	to := c.Masters[0]
	if to == from {
		to = c.Masters[1]
	}
	steps := 0
	if moved := c.Move(t, "{a}", to, 10, func(int) { steps++ }); moved != 25 || steps != 4 {
		t.Errorf("%d keys in %d steps", moved, steps)
	}
	if now := c.MasterOf(t, "{a}"); now != to {
		t.Errorf("%s holds the slot, want %s", now.Addr(), to.Addr())
	}
	for i := range 25 {
		if v, err := rdb.Get(t.Context(), "{a}"+strconv.Itoa(i)).Int(); v != i || err != nil {
			t.Errorf("%d, %v; want %d", v, err, i)
		}
	}
}

func TestReplicaTakesOverForAKilledMaster(t *testing.T) {
	c := StartCluster(t)
	rdb := c.Client(t)
	if err := rdb.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	old := c.MasterOf(t, "k")
	if n, err := old.Client(t).Do(t.Context(), "WAIT", 1, patience.Milliseconds()).Int(); n != 1 || err != nil {
		t.Fatalf("%d replicas, %v", n, err)
	}
	old.Kill(t)
	now := c.AwaitTakeover(t, "k", old)
	if v, err := now.Client(t).Get(t.Context(), "k").Result(); v != "v" {
		t.Errorf("%q, %v", v, err)
	}
	old.Restart(t)
	if now := c.MasterOf(t, "k"); now == old {
		t.Error("the old master is the master again")
	}
}

func TestClusterIsGoneAfterItsTest(t *testing.T) {
	var c *Cluster
	t.Run("inner", func(t *testing.T) { c = StartCluster(t) })
	for _, addr := range c.Addrs() {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			t.Errorf("%s is still there", addr)
		}
	}
}
