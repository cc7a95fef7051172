package storetest

import (
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var hostRules = []rule{
	{"HostOfAReplicaIsKnownAfterItHasLeft", hostOfAReplicaThatLeft},
	{"HostOfALostAttemptIsKnownAfterItsReplicaWasRemoved", hostOfALostAttempt},
	{"ReplicaThatJoinsAgainHasItsNewHost", replicaThatJoinsAgain},
}

// wantHost checks where a replica runs or ran. The address depends on the store.
func (fx *fixture) wantHost(replica string, want task.Host) {
	fx.Helper()
	hosts, err := fx.Peer.Hosts(fx.ctx, "nobody", replica, replica, "")
	fx.noError(err)
	got := hosts[replica]
	if got.IP = ""; got != want || len(hosts) != 1 {
		fx.Errorf("hosts are %+v, want only %s with %+v", hosts, replica, want)
	}
}

func hostOfAReplicaThatLeft(fx *fixture) {
	fx.join(task.Registration{Replica: "a", Host: "web-1", PID: 7, Version: "1.2"})
	want := task.Host{Name: "web-1", PID: 7, Version: "1.2"}
	fx.wantHost("a", want)
	fx.noError(fx.Store.Leave(fx.ctx, "a"))
	fx.noError(fx.Store.Leave(fx.ctx, "a"))
	fx.wantHost("a", want)
	fx.maintain()
	fx.wantHost("a", want)
}

func hostOfALostAttempt(fx *fixture) {
	fx.join(task.Registration{Replica: "r", Host: "web-1", PID: 7, Lease: shortLease})
	fx.enqueue(task.Spec{ID: "x"})
	fx.claimAs(task.Exchange{Lease: shortLease}, task.DefaultQueue, 1)
	fx.waitPast(shortLease)
	if m := fx.maintain(); m.Lost != 1 || m.Replicas != 1 {
		fx.Fatalf("maintenance %+v, want one lost attempt and one replica removed", m)
	}
	h := fx.history("x")
	if len(h) != 1 || h[0].Replica != "r" {
		fx.Fatalf("history %+v", h)
	}
	fx.wantHost(h[0].Replica, task.Host{Name: "web-1", PID: 7})
}

func replicaThatJoinsAgain(fx *fixture) {
	fx.join(task.Registration{Replica: "a", Host: "web-1", PID: 7})
	fx.noError(fx.Store.Leave(fx.ctx, "a"))
	fx.join(task.Registration{Replica: "a", Host: "web-2", PID: 8, Up: time.Second})
	fx.wantHost("a", task.Host{Name: "web-2", PID: 8})
	fx.noError(fx.Store.Leave(fx.ctx, "a"))
	fx.wantHost("a", task.Host{Name: "web-2", PID: 8})
}
