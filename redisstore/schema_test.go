package redisstore_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/worker"
)

// wantSchemaError checks that err names both versions and says what to do.
func wantSchemaError(t *testing.T, what string, err error, has, do string) {
	t.Helper()
	var e *worker.SchemaError
	if !errors.As(err, &e) || !errors.Is(err, worker.ErrSchema) {
		t.Errorf("%s: %v, want a SchemaError", what, err)
		return
	}
	if e.Has != has || e.Knows != redisstore.SchemaVersion || !strings.Contains(err.Error(), do) {
		t.Errorf("%s: %v, want it to name %s and %s, and to say %q", what, err, has, redisstore.SchemaVersion, do)
	}
}
