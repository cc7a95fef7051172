package record

import (
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// Replica is a replica in JSON output.
type Replica struct {
	ID        string         `json:"id"`
	Host      string         `json:"host"`
	IP        string         `json:"ip,omitempty"` // from which it opens connections to Redis
	PID       int            `json:"pid"`
	Version   string         `json:"version,omitempty"`
	StartedAt string         `json:"started_at"`
	SeenAt    string         `json:"seen_at"`
	SilentMS  int64          `json:"silent_ms"`
	LeaseMS   int64          `json:"lease_ms"`
	Queues    map[string]int `json:"queues"` // slots
	Slots     int            `json:"slots"`
	Running   int            `json:"running"`
	Stuck     int            `json:"stuck"`
	Draining  bool           `json:"draining"`
	Since     string         `json:"draining_since,omitempty"` // of the drain
	Refuses   string         `json:"refuses,omitempty"`
	Outages   []Outage       `json:"outages,omitempty"` // of servers that its tasks need
	Kinds     []string       `json:"kinds"`
	Labels    []string       `json:"labels"`
	Exclusive bool           `json:"exclusive"`
	Disabled  []string       `json:"disabled,omitempty"` // of the kinds
}

// OfReplica returns the record of a replica.
func OfReplica(r pool.ReplicaInfo) Replica {
	record := Replica{
		ID: r.ID, Host: r.Host, IP: r.IP, PID: r.PID, Version: r.Version, StartedAt: Instant(r.StartedAt), SeenAt: Instant(r.SeenAt),
		SilentMS: r.Silent.Milliseconds(), LeaseMS: r.Lease.Milliseconds(), Queues: r.Queues, Slots: terminal.Slots(r),
		Running: r.Running, Stuck: r.Stuck, Draining: r.Draining, Since: Instant(r.DrainingSince), Refuses: r.Refuses, Kinds: r.Kinds, Disabled: r.Disabled,
		Labels: r.AllLabels(), Exclusive: r.Exclusive,
	}
	for _, o := range r.Outages {
		record.Outages = append(record.Outages, OfOutage(o))
	}
	return record
}

// Outage is an outage in JSON output.
type Outage struct {
	Of    string `json:"of"`
	Since string `json:"since"`
	Error string `json:"error"`
}

// OfOutage returns the record of an outage.
func OfOutage(o task.Outage) Outage { return Outage{o.Of, Instant(o.Since), o.Error} }
