package archive

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/redisstore"
)

// The environment of an archiver in a process of its own: "ADDRESS POOL WHERE MOMENT N".
// It kills itself at the N-th page, at the moment "before" or "after" its commit.
const envChild = "LTS_TEST_ARCHIVER"

func child() int {
	f := strings.Fields(os.Getenv(envChild))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	rdb := redis.NewClient(&redis.Options{Addr: f[0]})
	db, err := Open(ctx, f[2])
	if err == nil {
		var a *Archiver
		if a, err = New(db, redisstore.New(rdb, f[1]), Config{Pool: f[1]}); err == nil {
			left, _ := strconv.Atoi(f[4])
			kill := func() {
				if left--; left == 0 {
					_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				}
			}
			a.page = 5
			if f[3] == "before" {
				a.committing = kill
			} else {
				a.committed = kill
			}
			err = a.Run(ctx)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func TestEventsOfAKilledArchiverBecomeRowsExactlyOnce(t *testing.T) {
	databases(t, func(t *testing.T, where string) {
		s := newSite(t)
		s.work(30)
		db := open(t, where)
		for i, moment := range []string{"after", "before", "after", "before", "after"} {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %s %s %d", envChild, s.server.Addr(), s.pool, where, moment, 1+i%3))
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the archiver was not killed: %v\n%s", err, out)
			}
			s.work(10)
		}
		s.archiveAll(db)
		whole := open(t, t.TempDir()+"/whole.db")
		s.archiveAll(whole)
		if diff := cmp.Diff(dump(t, whole), dump(t, db)); diff != "" {
			t.Error(diff)
		}
		seen := map[string]int{}
		for _, line := range dump(t, db) {
			if strings.Contains(line, "Version:") && !strings.Contains(line, "Pool:") {
				seen[line]++
			}
		}
		var events int
		for _, e := range s.stream() {
			events += len(strings.Fields(e.Values["ids"].(string)))
		}
		var rows int
		for _, n := range seen {
			rows += n
		}
		if rows != events || events < 200 {
			t.Errorf("%d events in the archive, %d in the stream", rows, events)
		}
	})
}

func (s *site) stream() []redis.XMessage {
	entries, err := s.rdb.XRange(s.t.Context(), "lts:{"+s.pool+"}:events", "-", "+").Result()
	if err != nil {
		s.t.Fatal(err)
	}
	return slices.Clone(entries)
}
