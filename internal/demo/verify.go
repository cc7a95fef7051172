package demo

import (
	"context"
	"fmt"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
)

// verify compares every result with a checksum made here. It returns a message for each
// file whose result is wrong.
func verify(ctx context.Context, c *client.Client, files []File, w *watch) (wrong []string, err error) {
	for _, id := range w.unread {
		sum, err := pool.Result[checksum](ctx, c.Pool, id)
		if err != nil {
			return nil, err
		}
		w.sums[sum.Path] = sum
	}
	if w.repeated > 0 {
		wrong = append(wrong, fmt.Sprintf("%s ended more than once", terminal.Count(w.repeated, "task")))
	}
	for _, f := range files {
		got, ok := w.sums[f.path]
		want, err := sumFile(f.path)
		switch {
		case !ok:
			wrong = append(wrong, fmt.Sprintf("no checksum came back for %s", f.path))
		case err == nil && got == want, !f.unchanged():
		default:
			wrong = append(wrong, fmt.Sprintf("the checksum of %s is not right", f.path))
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return wrong, nil
}
