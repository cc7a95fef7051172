package archive

import (
	"context"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// host is a row of lts_replicas: where a replica runs or ran.
type host struct {
	replica, name, ip string
	seenAt            time.Time
}

func (h *host) columns() []any { return []any{&h.replica, &h.name, &h.ip, (*moment)(&h.seenAt)} }

const (
	hostColumns = "replica, host, ip, seen_at"
	// onHost keeps the host of a replica that Redis no longer knows.
	onHost = " ON CONFLICT (pool, replica) DO UPDATE SET seen_at = excluded.seen_at," +
		" host = CASE WHEN excluded.host = '' THEN lts_replicas.host ELSE excluded.host END," +
		" ip = CASE WHEN excluded.host = '' THEN lts_replicas.ip ELSE excluded.ip END"
	// hostEvery is how often the row of a replica whose attempts are archived is written. The rows
	// that are older than all tasks by more than this belong to no attempt.
	hostEvery = 24 * time.Hour
	// mostHosts bounds the replicas that an archiver remembers.
	mostHosts = 10_000
)

// hosts has when the archiver has written the row of each replica.
type hosts map[string]time.Time

// hostsOf reads the hosts of the replicas of events and records that were not written in the last
// day. A page of events of replicas that are known makes no call.
func (a *Archiver) hostsOf(ctx context.Context, events []task.Event, records []record) ([]host, error) {
	now, wanted := time.Now(), map[string]bool{}
	add := func(replica string) {
		if replica != "" && now.Sub(a.hosts[replica]) >= hostEvery {
			wanted[replica] = true
		}
	}
	for _, e := range events {
		add(e.Replica)
	}
	for _, r := range records {
		add(r.Replica)
		for _, attempt := range r.history {
			add(attempt.Replica)
		}
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	var replicas []string
	for r := range wanted {
		replicas = append(replicas, r)
	}
	slices.Sort(replicas) // rows are locked in one order
	known, err := a.source.Hosts(ctx, replicas...)
	if err != nil {
		return nil, err
	}
	rows := make([]host, len(replicas))
	for i, r := range replicas {
		rows[i] = host{replica: r, name: name(known[r].Name), ip: name(known[r].IP), seenAt: now}
	}
	return rows, nil
}

// wrote remembers the rows of a transaction that was committed.
func (a *Archiver) wrote(rows []host) {
	if len(a.hosts)+len(rows) > mostHosts || a.hosts == nil {
		a.hosts = hosts{}
	}
	for _, h := range rows {
		a.hosts[h.replica] = h.seenAt
	}
}

func (t *tx) writeHosts(ctx context.Context, pool string, rows []host) error {
	return insert(ctx, t, "lts_replicas (pool, "+hostColumns+")", onHost, rows, func(h host) []any {
		h.replica = name(h.replica)
		return append([]any{pool}, h.columns()...)
	})
}

// setHosts sets the hosts of attempts.
func (db *DB) setHosts(ctx context.Context, pool string, records []Record) error {
	wanted := map[string]bool{}
	for _, r := range records {
		for _, a := range r.Attempts {
			wanted[a.Replica] = true
		}
	}
	var replicas []string
	for r := range wanted {
		replicas = append(replicas, r)
	}
	found := map[string]host{}
	for page := range slices.Chunk(replicas, queryPage) {
		args := []any{pool}
		for _, r := range page {
			args = append(args, r)
		}
		rows, err := readAll(ctx, db.query, "SELECT "+hostColumns+" FROM lts_replicas WHERE pool = ? AND replica IN "+marks(len(page)), (*host).columns, args...)
		if err != nil {
			return err
		}
		for _, h := range rows {
			found[h.replica] = h
		}
	}
	for _, r := range records {
		for i, a := range r.Attempts {
			r.Attempts[i].Host, r.Attempts[i].IP = found[a.Replica].name, found[a.Replica].ip
		}
	}
	return nil
}
