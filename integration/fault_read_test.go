package integration

import (
	"context"
	"fmt"
	"strings"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// The cases of scripts that change no task.
func init() {
	faultCases["get"] = faultCase{
		prepare: blockedGroup,
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			tasks, err := st.Get(ctx, "a", "b", "nobody")
			var words []string
			for _, task := range tasks {
				if task != nil {
					words = append(words, task.ID, string(task.State))
				}
			}
			return strings.Join(words, " "), err
		},
	}
	faultCases["select"] = faultCase{
		prepare: blockedGroup,
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			var ids []string
			for task, err := range st.Tasks(ctx, task.Filter{Kinds: []string{"k"}}) {
				if err != nil {
					return "", err
				}
				ids = append(ids, task.ID)
			}
			return strings.Join(ids, " "), nil
		},
	}
	faultCases["stats"] = faultCase{
		prepare: blockedGroup,
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			s, err := st.Stats(ctx)
			return fmt.Sprintf("%+v", s), err
		},
	}
	faultCases["peek"] = faultCase{
		prepare: func(v *victim) {
			v.base()
			v.push(strings.Repeat("x", redisstore.MaxEntry+1), `{"kind":"k","id":"a"}`)
		},
		call: admit,
	}
}
