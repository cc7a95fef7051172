package redisstore_test

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/lua"
)

// recorder records the script calls that are sent.
type recorder struct {
	mu    sync.Mutex
	calls [][]any
}

func (r *recorder) record(cmds ...redis.Cmder) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, cmd := range cmds {
		if strings.HasPrefix(cmd.Name(), "eval") {
			args := slices.Clone(cmd.Args())
			for i, a := range args {
				switch v := a.(type) {
				case *string: // the caller may change its value after the call
					args[i] = *v
				case []byte:
					args[i] = string(v)
				}
			}
			r.calls = append(r.calls, args)
		}
	}
}

// take returns the recorded calls and clears the record.
func (r *recorder) take() [][]any {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := r.calls
	r.calls = nil
	return calls
}

// calls reports whether a command calls a script, by hash or in full.
func calls(args []any, script string) bool {
	if len(args) < 2 {
		return false
	}
	text := lua.Source(script)
	sum := sha1.Sum([]byte(text))
	return args[1] == text || args[1] == hex.EncodeToString(sum[:])
}

// ran returns the ARGV of the recorded calls of a script.
func (r *recorder) ran(script string) [][]any {
	var argv [][]any
	for _, c := range r.take() {
		if calls(c, script) {
			argv = append(argv, c[5:])
		}
	}
	return argv
}

func (r *recorder) DialHook(next redis.DialHook) redis.DialHook { return next }

func (r *recorder) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		r.record(cmd)
		return next(ctx, cmd)
	}
}

func (r *recorder) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		r.record(cmds...)
		return next(ctx, cmds)
	}
}

// again repeats recorded calls with the same bytes, as a driver does that got no reply, and returns
// the replies.
func (s *site) again(t *testing.T, calls [][]any) []any {
	t.Helper()
	var replies []any
	for _, args := range calls {
		v, err := s.rdb.Do(t.Context(), args...).Result()
		if err != nil && err != redis.Nil {
			t.Fatal(err)
		}
		replies = append(replies, v)
	}
	return replies
}
