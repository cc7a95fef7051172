package redisstore

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/lua"
)

// script is a script and what a store checks before its calls.
type script struct {
	name string
	// text composes the text at the first call. All texts together take a command longer
	// than its calls.
	text  func() *redis.Script
	need  need
	reads bool // sent as EVALSHA_RO: Redis refuses its writes, and users who may only read can call it
}

func newScript(name string, need need) *script {
	text := sync.OnceValue(func() *redis.Script { return redis.NewScript(lua.Source(name)) })
	return &script{name, text, need, need == reads}
}

// readOnly returns the script for calls that write nothing.
func (sc *script) readOnly() *script { return &script{sc.name, sc.text, sc.need, true} }

var (
	enqueueScript    = newScript("enqueue", creates)
	inboxScript      = newScript("inbox", creates)
	peekScript       = newScript("peek", writes)
	exchangeScript   = newScript("exchange", writes)
	renewScript      = newScript("renew", writes)
	checkpointScript = newScript("checkpoint", writes)
	joinScript       = newScript("join", writes)
	leaveScript      = newScript("leave", writes)
	tokenScript      = newScript("token", writes)
	reportsScript    = newScript("reports", writes)
	deliverScript    = newScript("deliver", writes)
	signalScript     = newScript("signal", writes)
	wakeScript       = newScript("wake", writes)
	drainScript      = newScript("drain", writes)
	reapScript       = newScript("reap", writes)
	promoteScript    = newScript("promote", writes)
	purgeScript      = newScript("purge", writes)
	stopScript       = newScript("stop", writes)
	retryScript      = newScript("retry", writes)
	spreadScript     = newScript("spread", writes)
	runNowScript     = newScript("runnow", writes)
	changeScript     = newScript("change", writes)
	deleteScript     = newScript("delete", writes)
	bulkScript       = newScript("bulk", writes)
	archivedScript   = newScript("archived", writes)
	configureScript  = newScript("configure", writes)
	countScript      = newScript("count", writes)
	matchScript      = newScript("match", writes)
	regroupScript    = newScript("regroup", writes)
	forgetScript     = newScript("forget", writes)
	consumersScript  = newScript("consumers", writes)
	readmitScript    = newScript("readmit", writes)
	discardScript    = newScript("discard", writes)
	fireScript       = newScript("fire", creates)
	triggerScript    = newScript("trigger", creates)
	getScript        = newScript("get", reads)
	selectScript     = newScript("select", reads)
	statsScript      = newScript("stats", reads)

	// The doctor calls these. It reports missing rights and another schema as findings.
	rightsScript  = newScript("rights", nothing).readOnly()
	checkScript   = newScript("check", nothing)
	inspectScript = checkScript.readOnly() // in the mode report
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
	if s.calls.observed() {
		began := time.Now()
		defer func() { s.calls.called(sc, began, err) }()
	}
	err = s.retryUnstable(ctx, s.rdb, func() error {
		reply, err = s.send(ctx, sc, args).Result()
		return ignoreNil(err)
	})
	return reply, err
}

// send sends a script that only reads as EVALSHA_RO. It sends it as EVALSHA if the server
// takes TIME, which every script calls, for a command that writes, as miniredis does.
func (s *Store) send(ctx context.Context, sc *script, args []any) *redis.Cmd {
	if sc.reads && !s.timeWrites.Load() {
		cmd := sc.text().RunRO(ctx, s.rdb, s.keys, args...)
		if err := cmd.Err(); err == nil || !strings.Contains(err.Error(), "not allowed in read-only scripts") {
			return cmd
		}
		s.timeWrites.Store(true)
	}
	return sc.text().Run(ctx, s.rdb, s.keys, args...)
}

// seed returns a seed for the random numbers of a script. Without a seed they would be the
// same in every call.
func seed() int { return int(rand.Int32()) }
