package redisstore

import (
	"context"
	"errors"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/lua"
)

// script is a script with its hash; loading is left to the first server that
// does not know it.
func script(name string) *redis.Script { return redis.NewScript(lua.Source(name)) }

var (
	enqueueScript   = script("enqueue")
	claimScript     = script("claim")
	succeedScript   = script("succeed")
	failScript      = script("fail")
	releaseScript   = script("release")
	renewScript     = script("renew")
	reapScript      = script("reap")
	promoteScript   = script("promote")
	purgeScript     = script("purge")
	stopScript      = script("stop")
	retryScript     = script("retry")
	deleteScript    = script("delete")
	configureScript = script("configure")
	regroupScript   = script("regroup")
	forgetScript    = script("forget")
	joinScript      = script("join")
	leaveScript     = script("leave")
	ringScript      = script("ring")
	wakeScript      = script("wake")
	drainScript     = script("drain")
	mendScript      = script("mend")
	rightsScript    = script("rights")
	peekScript      = script("peek")
	inboxScript     = script("inbox")
	statsScript     = script("stats")
	checkScript     = script("check")
)

// step is one script call of a pipeline.
type step struct {
	script *redis.Script
	args   []any
	reply  any
}

// run makes one script call.
func (s *Store) run(ctx context.Context, sc *redis.Script, args ...any) (any, error) {
	st := step{script: sc, args: args}
	err := s.pipe(ctx, s.rdb, &st)
	return st.reply, err
}

// pipe makes the calls in one round trip, in order, and a second one for those
// whose script the server did not know. While a cluster refuses them for the time
// being they are made again. An error means that some may have had their effect
// and some not.
func (s *Store) pipe(ctx context.Context, rdb redis.UniversalClient, steps ...*step) error {
	if err := s.checkName(); err != nil {
		return err
	}
	return s.settle(ctx, rdb, func() error { return s.try(ctx, rdb, steps) })
}

func (s *Store) try(ctx context.Context, rdb redis.UniversalClient, steps []*step) error {
	writes := func(st *step) bool { return st.script != rightsScript && st.script != statsScript }
	if slices.ContainsFunc(steps, writes) {
		if err := s.hasRights(ctx, false); err != nil {
			return err
		}
	}
	cmds := make([]*redis.Cmd, len(steps))
	var err error
	if len(steps) == 1 {
		cmds[0] = s.send(ctx, rdb, steps[0])
		err = cmds[0].Err()
	} else {
		// A cluster client would repeat the calls of a pipeline each for itself and
		// out of order.
		home, herr := s.home(ctx)
		if herr != nil {
			return herr
		}
		p := home.Pipeline()
		for i, st := range steps {
			cmds[i] = s.send(ctx, p, st)
		}
		_, err = p.Exec(ctx)
	}
	if err != nil {
		if err := s.resend(ctx, rdb, steps, cmds); err != nil {
			return err
		}
	}
	for i, st := range steps {
		if st.reply, err = cmds[i].Result(); err != nil && err != redis.Nil {
			if isRefused(err) {
				s.writable.Store(false) // rights were taken away: look again before the next write
			}
			return err
		}
		s.sent.Store(st.script, true)
	}
	return nil
}

// send makes one call by the script's hash, the first time in full: in a
// pipeline, what follows a script that the server does not know would overtake
// it, a claim the report that was to free its slot.
func (s *Store) send(ctx context.Context, rdb redis.Scripter, st *step) *redis.Cmd {
	if _, sent := s.sent.Load(st.script); !sent {
		return st.script.Eval(ctx, rdb, s.keys, st.args...)
	}
	return st.script.EvalSha(ctx, rdb, s.keys, st.args...)
}

// resend sends in full what the server did not know by its hash, or what a node
// of a cluster refused or did not answer, and again what came after it: a claim
// must see what the reports before it freed. All calls may be repeated.
func (s *Store) resend(ctx context.Context, rdb redis.UniversalClient, steps []*step, cmds []*redis.Cmd) error {
	cluster, onCluster := rdb.(*redis.ClusterClient)
	from := slices.IndexFunc(cmds, func(c *redis.Cmd) bool {
		var answer redis.Error
		return redis.HasErrorPrefix(c.Err(), "NOSCRIPT") ||
			onCluster && len(cmds) > 1 && c.Err() != nil && (isUnsettled(c.Err()) || !errors.As(c.Err(), &answer))
	})
	if from < 0 {
		return nil
	}
	if onCluster {
		// One by one they follow redirections and stay in their order.
		lookAgain(ctx, cluster, cmds[from].Err())
		for i := from; i < len(cmds); i++ {
			cmds[i] = steps[i].script.Eval(ctx, rdb, s.keys, steps[i].args...)
			if err := cmds[i].Err(); err != nil && err != redis.Nil {
				return err
			}
		}
		return nil
	}
	p := rdb.Pipeline()
	for i := from; i < len(cmds); i++ {
		cmds[i] = steps[i].script.Eval(ctx, p, s.keys, steps[i].args...)
	}
	_, err := p.Exec(ctx)
	if err == redis.Nil {
		return nil
	}
	return err
}
