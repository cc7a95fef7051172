package pooltest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/pool/pooltest"
)

// remote names its job, continues a job that it finds, and ends one in a clean-up.
func remote(ctx context.Context, t *pool.Task[Mail]) error {
	switch {
	case t.CleanUp != "" && t.Args.To == "away":
		return errors.New("the service is away")
	case t.CleanUp != "":
		return t.SaveJob(ctx, "", nil)
	case t.Job == "":
		return errors.Join(t.SaveJob(ctx, "job of "+t.Args.To, 1), errors.New("lost the service"))
	}
	return nil
}

func TestCallPassesJobAndCleanUp(t *testing.T) {
	p := pooltest.New(t, pool.Config{})
	pool.Handle(p.Pool, remote)
	for _, c := range []struct {
		to   string
		opts []pooltest.CallOption
		code pool.Code
		job  string
	}{
		{"ann", nil, pool.CodeError, "job of ann"},
		{"ann", []pooltest.CallOption{pooltest.Job("job 7")}, pool.CodeOK, "job 7"},
		{"ann", []pooltest.CallOption{pooltest.Job("job 7"), pooltest.CleanUp(pool.CodeStopped)}, pool.CodeOK, ""},
		{"away", []pooltest.CallOption{pooltest.Job("job 7"), pooltest.CleanUp(pool.CodeTimeout)}, pool.CodeError, "job 7"},
	} {
		if o := p.Call(t, Mail{c.to}, c.opts...); o.Code != c.code || o.Job != c.job {
			t.Errorf("%v with the job %q, want %s and %q", o, o.Job, c.code, c.job)
		}
	}
}
