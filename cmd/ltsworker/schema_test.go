package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/redisstore"
)

func TestSchemaIsPrintedWithoutRedis(t *testing.T) {
	t.Parallel()
	got := stranger(t).run("schema")
	if diff := cmp.Diff(answer{out: redisstore.EntrySchema()}, got, cmp.AllowUnexported(answer{})); diff != "" {
		t.Errorf("schema (-want +got):\n%s", diff)
	}
}
