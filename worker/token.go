package worker

import (
	"context"
	"fmt"
	"sync"

	"github.com/ltsworker/ltsworker/task"
)

// reportToken is the token of an attempt for reports from outside.
type reportToken struct {
	mu    sync.Mutex
	token string // "" until the store has its hash
}

// ReportToken implements Execution. Calls made at the same time wait for each other.
func (a *attempt) ReportToken(ctx context.Context) (string, error) {
	a.mu.Lock()
	if a.token == nil {
		a.token = &reportToken{}
	}
	t := a.token
	a.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token != "" {
		return t.token, nil
	}
	// After a lost answer the next call stores another token: nothing has seen this one.
	token := task.NewToken(a.task.ID)
	_, hash, err := task.ParseToken(token)
	if err == nil {
		r := a.claim.sequence.r
		err = r.call(ctx, func(ctx context.Context) error {
			return r.store.IssueToken(ctx, a.claim.q.name, task.Attempt{ID: a.task.ID, Fence: a.claim.fence, Number: a.number()}, hash)
		})
	}
	if err != nil {
		return "", fmt.Errorf("report token: %w", err)
	}
	t.token = token
	return token, nil
}
