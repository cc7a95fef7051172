package redisstore

import (
	"context"
	"math/rand/v2"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/lua"
)

// script is a script and what a store checks before its calls.
type script struct {
	*redis.Script
	need need
}

func newScript(name string, need need) *script {
	return &script{redis.NewScript(lua.Source(name)), need}
}

var (
	enqueueScript   = newScript("enqueue", creates)
	inboxScript     = newScript("inbox", creates)
	peekScript      = newScript("peek", writes)
	exchangeScript  = newScript("exchange", writes)
	renewScript     = newScript("renew", writes)
	joinScript      = newScript("join", writes)
	leaveScript     = newScript("leave", writes)
	signalScript    = newScript("signal", writes)
	wakeScript      = newScript("wake", writes)
	drainScript     = newScript("drain", writes)
	reapScript      = newScript("reap", writes)
	promoteScript   = newScript("promote", writes)
	purgeScript     = newScript("purge", writes)
	stopScript      = newScript("stop", writes)
	retryScript     = newScript("retry", writes)
	deleteScript    = newScript("delete", writes)
	configureScript = newScript("configure", writes)
	countScript     = newScript("count", writes)
	regroupScript   = newScript("regroup", writes)
	forgetScript    = newScript("forget", writes)
	consumersScript = newScript("consumers", reads)
	getScript       = newScript("get", reads)
	statsScript     = newScript("stats", reads)

	// The doctor calls these. It reports missing rights and another schema as findings.
	rightsScript = newScript("rights", nothing)
	checkScript  = newScript("check", nothing)
)

// run makes a script call. It may be repeated after an error: a repeated script has the
// same effect as one that ran once.
func (s *Store) run(ctx context.Context, sc *script, args ...any) (any, error) {
	if err := s.ready(ctx, sc.need); err != nil {
		return nil, err
	}
	return s.call(ctx, sc, args...)
}

// call is run without the checks. It sends the hash of the script, and the text only if the
// server does not know the hash.
func (s *Store) call(ctx context.Context, sc *script, args ...any) (reply any, err error) {
	err = s.retryUnstable(ctx, s.rdb, func() error {
		reply, err = sc.Run(ctx, s.rdb, s.keys, args...).Result()
		return ignoreNil(err)
	})
	return reply, err
}

// seed returns a seed for the random numbers of a script. Without a seed they would be the
// same in every call.
func seed() int { return int(rand.Int32()) }
