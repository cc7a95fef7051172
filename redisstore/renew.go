package redisstore

import (
	"context"
	"fmt"

	"github.com/ltsworker/ltsworker/task"
)

// Renew extends the leases of a replica's claims, writes the updates of its attempts, and
// is its heartbeat. It makes several script calls, one after the other, if there are very
// many claims or updates. The result is also valid with ErrNotJoined and ErrDrain.
func (s *Store) Renew(ctx context.Context, r task.Renewal) (task.Renewed, error) {
	got := task.Renewed{Verdicts: make([]task.Verdict, 0, len(r.Held))}
	joined, drain := true, false
	held, updates := r.Held, r.Updates
	for first := true; first || len(held)+len(updates) > 0; first = false {
		h, n := claimPage(held), updatesPage(updates)
		reply, err := s.run(ctx, renewScript, renewArgs(&r, held[:h], updates[:n])...)
		if err != nil {
			return task.Renewed{}, s.fail(ctx, "renew", err)
		}
		rd := readReply("renew", reply)
		listed, verdicts := rd.int(), rd.string()
		for i := range h {
			got.Verdicts = append(got.Verdicts, rd.verdict(verdicts, i, claimVerdicts))
		}
		got.Stops = rd.attempts() // each reply has all of them
		got.Triggers = rd.int() == 1
		if rd.err != nil {
			return task.Renewed{}, rd.err
		}
		joined, drain = joined && listed > 0, drain || listed == 2
		held, updates = held[h:], updates[n:]
	}
	switch {
	case !joined:
		return got, s.fail(ctx, "renew", task.ErrNotJoined)
	case drain:
		return got, s.fail(ctx, "renew", task.ErrDrain)
	}
	return got, nil
}

// claimPage returns how many of the claims one call renews.
func claimPage(held []task.HeldClaim) int {
	ids := 0
	for i := range held {
		if ids += len(held[i].IDs); i == renewClaims || i > 0 && ids > renewIDs {
			return i
		}
	}
	return len(held)
}

// updatesPage returns how many of the updates one call sends.
func updatesPage(updates []task.AttemptUpdate) int {
	bytes := 0
	for i := range updates {
		if bytes += len(updates[i].Progress) + len(updates[i].Log); i == renewUpdates || i > 0 && bytes > renewBytes {
			return i
		}
	}
	return len(updates)
}

func renewArgs(r *task.Renewal, held []task.HeldClaim, updates []task.AttemptUpdate) []any {
	args := make([]any, 0, 10+4*len(held)+7*len(updates))
	args = append(args, r.Replica, r.Lease.Milliseconds(), r.Grace.Milliseconds(), r.Stuck, r.Running, r.Draining, r.Refuses, len(held))
	for i := range held {
		h := &held[i]
		var left any = ""
		if h.Left != task.Forever {
			left = h.Left.Milliseconds()
		}
		args = append(args, h.Fence, h.Held, left, len(h.IDs))
		for j := range h.IDs {
			args = append(args, &h.IDs[j])
		}
	}
	args = append(args, len(updates))
	for i := range updates {
		u := &updates[i]
		args = append(args, fenceOf(u.Fence, u.Attempt), &u.ID, u.Progress, u.Progress != nil, u.Slow, &u.Log, logSize(u.LogSize))
	}
	if r.Outages != nil {
		args = append(args, encodeOutages(r.Outages))
	}
	return args
}

// fenceOf returns the argument of the scripts for the fence of an attempt, with its number
// if its claim may have several attempts of the task.
func fenceOf(fence, number int64) any {
	if number == 0 {
		return fence
	}
	return fmt.Sprintf("%d/%d", fence, number)
}

// logSize returns the argument of the scripts for the size of a log: empty for none.
func logSize(n int64) any {
	if n == 0 {
		return ""
	}
	return n
}
