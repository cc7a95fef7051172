package faultproxy

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/lua"
)

func TestMain(m *testing.M) { os.Exit(redisserver.Main(m)) }

// setup returns a proxy, a client behind it that repeats nothing, and a client
// past it.
func setup(t *testing.T) (*Proxy, *redis.Client, *redis.Client) {
	s := redisserver.Shared(t)
	s.Flush(t)
	p := Start(t, s.Addr())
	c := redis.NewClient(&redis.Options{
		Addr: p.Addr(), MaxRetries: -1, ReadTimeout: time.Minute, // a busy machine answers late
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled, EndpointType: maintnotifications.EndpointTypeNone},
	})
	t.Cleanup(func() { c.Close() })
	return p, c, s.Client(t)
}

// pipeline runs a pipeline of three commands. The second is a script that writes a
// signal.
func pipeline(c *redis.Client) (before, call, after error) {
	ctx := context.Background()
	p := c.Pipeline()
	first := p.Incr(ctx, "first")
	signals := p.Eval(ctx, lua.Source("signal"), []string{"lts:{p}:", "lts:{p}:meta"}, "r")
	third := p.Incr(ctx, "third")
	_, _ = p.Exec(ctx)
	return first.Err(), signals.Err(), third.Err()
}

func TestFaultHitsOneCallOfAPipeline(t *testing.T) {
	for _, c := range []struct {
		fault   Fault
		applied bool // whether the call is applied; the commands after it never are
	}{
		{ReplyLost, true}, {ResetBefore, false}, {ResetAfter, true},
	} {
		t.Run(c.fault.String(), func(t *testing.T) {
			p, behind, past := setup(t)
			strike := p.Strike("signal", 2, c.fault)
			if _, err, _ := pipeline(behind); err != nil || strike.Happened() {
				t.Fatal("the first call was broken: ", err)
			}
			past.Del(t.Context(), "lts:{p}:signals:r")
			_, err, after := pipeline(behind)
			if !strike.Happened() {
				t.Fatal("the second call was not broken")
			}
			if err == nil && c.fault != ResetAfter || after == nil {
				t.Errorf("the call ended with %v, the command after it with %v", err, after)
			}
			if n := past.LLen(t.Context(), "lts:{p}:signals:r").Val(); n != 0 != c.applied {
				t.Errorf("%d signals", n)
			}
			if n := past.Get(t.Context(), "third").Val(); n != "1" {
				t.Errorf("the command after the call ran %s times", n)
			}
			if _, err, _ := pipeline(behind); err != nil || p.Calls("signal") != 3 {
				t.Errorf("the next call: %v, %d calls", err, p.Calls("signal"))
			}
		})
	}
}

func TestReplyComesBeforeAResetAfterIt(t *testing.T) {
	p, behind, _ := setup(t)
	p.Strike("signal", 1, ResetAfter)
	if err := behind.Eval(t.Context(), lua.Source("signal"), []string{"lts:{p}:", "lts:{p}:meta"}, "r").Err(); err != nil {
		t.Error("no reply: ", err)
	}
}

func TestMeanwhileComesBeforeTheCall(t *testing.T) {
	p, behind, past := setup(t)
	waiting := int64(-1)
	p.StrikeMeanwhile("signal", 1, Nothing, func() { waiting = past.LLen(context.Background(), "lts:{p}:signals:r").Val() })
	if _, err, after := pipeline(behind); err != nil || after != nil || waiting != 0 {
		t.Errorf("%v, %v, %d signals before the call", err, after, waiting)
	}
}

func TestSilenceHoldsEverythingBack(t *testing.T) {
	p, behind, past := setup(t)
	if err := behind.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	before := p.Attempts()
	resume := p.Silence()
	answered := make(chan error, 1)
	go func() { answered <- behind.Incr(t.Context(), "n").Err() }()
	for late := time.Now().Add(time.Minute); p.Attempts() == before; {
		if time.Now().After(late) {
			t.Fatal("the try was not counted")
		}
	}
	if n := past.Exists(t.Context(), "n").Val(); n != 0 || len(answered) > 0 {
		t.Error("it passed the proxy")
	}
	resume()
	if err := <-answered; err != nil {
		t.Error("after the silence: ", err)
	}
}

func TestResetBreaksWhatIsConnected(t *testing.T) {
	p, behind, past := setup(t)
	if err := behind.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	blocked := make(chan error)
	go func() { blocked <- behind.BLPop(context.Background(), time.Minute, "nothing").Err() }()
	for late := time.Now().Add(time.Minute); ; {
		if list := past.ClientList(t.Context()).Val(); strings.Contains(list, "cmd=blpop") {
			break
		}
		if time.Now().After(late) {
			t.Fatal("the call does not arrive")
		}
	}
	p.Reset()
	if err := <-blocked; err == nil {
		t.Error("not broken")
	}
	if err := behind.Ping(t.Context()).Err(); err != nil {
		t.Error("after the reset: ", err)
	}
}
