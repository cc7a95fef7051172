package redisstore_test

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/lua"
	"github.com/ltsworker/ltsworker/task"
)

// impostor is a hook that answers the calls of one script itself.
type impostor struct {
	script string
	reply  any
}

func (i impostor) DialHook(next redis.DialHook) redis.DialHook { return next }

func (i impostor) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	text := lua.Source(i.script)
	sum := sha1.Sum([]byte(text))
	return func(ctx context.Context, cmd redis.Cmder) error {
		c, ok := cmd.(*redis.Cmd)
		if args := cmd.Args(); !ok || len(args) < 2 || args[1] != text && args[1] != hex.EncodeToString(sum[:]) {
			return next(ctx, cmd)
		}
		c.SetVal(i.reply)
		return nil
	}
}

func (i impostor) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func TestReplyThatNoScriptGivesIsAnError(t *testing.T) {
	two := 2
	for script, c := range map[string]struct {
		replies []any
		call    func(ctx context.Context, s *site) error
	}{
		"forget": {[]any{"sideways", int64(0), []any{}}, func(ctx context.Context, s *site) error {
			return s.store.ForgetQueue(ctx, "q")
		}},
		"readmit": {[]any{"sideways", int64(0), []any{}}, func(ctx context.Context, s *site) error {
			return s.store.PutBack(ctx, "1-0", nil)
		}},
		"discard": {[]any{"", "11", int64(0), []any{}}, func(ctx context.Context, s *site) error {
			_, err := s.store.DropRejected(ctx, "1-0")
			return err
		}},
		"regroup": {[]any{int64(0), []any{}}, func(ctx context.Context, s *site) error {
			s.block(ctx, "default")
			return s.store.Configure(ctx, task.Setting{Scope: task.GroupsScope, Limit: &two})
		}},
		"drain": {[]any{"1", []any{}}, func(ctx context.Context, s *site) error {
			_, err := s.store.Drain(ctx, "r")
			return err
		}},
		"inbox": {[]any{"1", []any{}}, func(ctx context.Context, s *site) error {
			s.rdb.RPush(ctx, s.prefix+"inbox", `{"kind":"k"}`)
			_, err := s.store.AdmitInbox(ctx, nil)
			return err
		}},
	} {
		for _, reply := range c.replies {
			s := newSite(t, miniClient(t))
			if _, err := s.store.Enqueue(t.Context(), []task.Spec{{Kind: "k"}}); err != nil { // adds the queue to the list
				t.Fatal(err)
			}
			s.rdb.AddHook(impostor{script, reply})
			if err := c.call(t.Context(), s); err == nil {
				t.Errorf("%s: the reply %#v is accepted as one of the script", script, reply)
			}
		}
	}
}
