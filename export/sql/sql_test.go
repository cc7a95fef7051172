package sql

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/integration/postgresserver"
	"github.com/ltsworker/ltsworker/task"
)

func TestResultIsLoadedByItsReference(t *testing.T) {
	databases(t, func(t *testing.T, where string) {
		e := newExporter(t, where)
		for _, result := range []string{"", `{"n":1}`, "\xff\x00'", strings.Repeat("x", task.MaxStagedResult)} {
			ref, err := e.Save(t.Context(), staged("a/ä", 1, result))
			if err != nil || task.CheckReference(ref) != nil {
				t.Fatal(err, task.CheckReference(ref))
			}
			if got, err := e.Load(t.Context(), ref); err != nil || string(got) != result || got == nil {
				t.Errorf("loaded %d bytes of %d, %v", len(got), len(result), err)
			}
			for range 2 {
				if err := e.Delete(t.Context(), ref); err != nil {
					t.Error(err)
				}
			}
			if _, err := e.Load(t.Context(), ref); !errors.Is(err, ErrNotFound) {
				t.Errorf("loaded after the deletion: %v", err)
			}
		}
		if all := rows(t, e); len(all) > 0 {
			t.Errorf("left %v", all)
		}
	})
}

func TestOlderFenceNeverReplacesANewerRow(t *testing.T) {
	databases(t, func(t *testing.T, where string) {
		e := newExporter(t, where)
		save := func(fence int64, result string) (task.Reference, error) {
			return e.Save(t.Context(), staged("a", fence, result))
		}
		old, err := save(5, "old")
		if err != nil {
			t.Fatal(err)
		}
		ref, err := save(7, "new")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := save(6, "late"); !errors.Is(err, errSuperseded) {
			t.Errorf("an older save: %v", err)
		}
		if again, err := save(7, "new"); err != nil || string(again) != string(ref) {
			t.Errorf("the same save again: %s, %v", again, err)
		}
		if err := e.Delete(t.Context(), old); err != nil { // the reference of the older save
			t.Error(err)
		}
		if d := cmp.Diff([]row{{"a", 7, "new"}}, rows(t, e)); d != "" {
			t.Errorf("rows (-want +got):\n%s", d)
		}
		other := staged("a", 8, "of another task with this id")
		other.CreatedAt = other.CreatedAt.Add(1e9)
		if _, err := e.Save(t.Context(), other); err != nil {
			t.Error(err)
		}
		if got, err := e.Load(t.Context(), ref); !errors.Is(err, ErrNotFound) {
			t.Errorf("loaded %q by the reference of another task: %v", got, err)
		}
	})
}

// A Redis that has lost its data counts fences from 1 again.
func TestTaskOfALaterRedisReplacesTheRowOfItsID(t *testing.T) {
	databases(t, func(t *testing.T, where string) {
		e := newExporter(t, where)
		if _, err := e.Save(t.Context(), staged("a", 1000, "old")); err != nil {
			t.Fatal(err)
		}
		later := staged("a", 1, "new")
		later.CreatedAt = later.CreatedAt.Add(1e9)
		if _, err := e.Save(t.Context(), later); err != nil {
			t.Error(err)
		}
		if d := cmp.Diff([]row{{"a", 1, "new"}}, rows(t, e)); d != "" {
			t.Errorf("rows (-want +got):\n%s", d)
		}
	})
}

func TestConcurrentSavesLeaveTheNewestRow(t *testing.T) {
	databases(t, func(t *testing.T, where string) {
		exporters := []*Exporter{newExporter(t, where), newExporter(t, where)}
		var wg sync.WaitGroup
		for fence := int64(1); fence <= 20; fence++ {
			wg.Go(func() {
				if _, err := exporters[fence%2].Save(t.Context(), staged("a", fence, "x")); err != nil && !errors.Is(err, errSuperseded) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if d := cmp.Diff([]row{{"a", 20, "x"}}, rows(t, exporters[0])); d != "" {
			t.Errorf("rows (-want +got):\n%s", d)
		}
	})
}

func TestGenerationsHaveRowsOfTheirOwn(t *testing.T) {
	databases(t, func(t *testing.T, where string) {
		e := newExporter(t, where)
		for generation := range 3 {
			r := staged("a", 1, "x")
			r.Generation = generation
			if _, err := e.Save(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		if all := rows(t, e); len(all) != 3 {
			t.Errorf("rows: %v", all)
		}
	})
}

func TestNewerTableIsRefused(t *testing.T) {
	databases(t, func(t *testing.T, where string) {
		e := newExporter(t, where)
		if _, err := e.Save(t.Context(), staged("a", 1, "x")); err != nil {
			t.Fatal(err)
		}
		if _, err := e.db.ExecContext(t.Context(), "INSERT INTO lts_results_schema (version) VALUES (99)"); err != nil {
			t.Fatal(err)
		}
		if _, err := newExporter(t, where).Save(t.Context(), staged("b", 1, "x")); !errors.Is(err, ErrNewerSchema) {
			t.Errorf("saved: %v", err)
		}
	})
}

// A service that only reads results needs no other permission.
func TestUserWhoMayOnlyReadLoadsResults(t *testing.T) {
	where := postgresserver.Database(t)
	e := newExporter(t, where)
	ref, err := e.Save(t.Context(), staged("a", 1, "x"))
	if err != nil {
		t.Fatal(err)
	}
	reader := "reader_" + strings.ToLower(rand.Text())
	for _, statement := range []string{"REVOKE CREATE ON SCHEMA public FROM PUBLIC", "CREATE ROLE " + reader + " LOGIN", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO " + reader} {
		if _, err := e.db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	at, err := url.Parse(where)
	if err != nil {
		t.Fatal(err)
	}
	q := at.Query()
	q.Set("user", reader)
	at.RawQuery = q.Encode()
	if got, err := newExporter(t, at.String()).Load(t.Context(), ref); err != nil || string(got) != "x" {
		t.Errorf("loaded %q, %v", got, err)
	}
}

func TestErrorsNeverContainThePassword(t *testing.T) {
	const secret = "s3cr3tpassword"
	for _, where := range []string{
		"postgres://user:" + secret + "@127.0.0.1:1/db", "postgres://user:" + secret + "@127.0.0.1:x/db", "postgres://user:" + secret + "%zz@h/db",
		"postgresql://127.0.0.1:1/db?user=u&password=" + secret, "postgresql://h/db?sslmode=" + secret, "mysql://user:" + secret + "@h/db",
	} {
		e, err := New(where, Config{Pool: "p"})
		if err == nil {
			_, err = e.Save(t.Context(), staged("a", 1, "x"))
			if err == nil {
				t.Errorf("%s: saved", where)
				continue
			}
			e.Close()
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%v", err)
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for _, c := range []struct {
		where string
		cfg   Config
		want  string
	}{
		{"", Config{Pool: "p"}, "neither a file nor a DSN"}, {"x.db", Config{}, "pool"}, {"x.db", Config{Pool: "p", MaxConns: -1}, "max_conns"},
		{"http://x", Config{Pool: "p"}, "DSN cannot be read"},
	} {
		if _, err := New(c.where, c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestProgramsWithoutTheImportAreBuiltWithoutDatabases(t *testing.T) {
	const module = "github.com/ltsworker/ltsworker/"
	out, err := exec.Command("go", "list", "-deps", module+"pool", module+"redisstore", module+"worker", module+"export/file").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		if path == "database/sql" || strings.HasPrefix(path, "modernc.org/") || strings.HasPrefix(path, "github.com/jackc/") {
			t.Errorf("a program that embeds a pool is built with %s", path)
		}
	}
}

// The table is made while the database does not answer.
func TestCallDoesNotOutlastItsContextWhileAnotherMakesTheTable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts connections and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	e := newExporter(t, "postgres://user:password@"+l.Addr().String()+"/results")
	ctx, cancel := context.WithCancel(t.Context())
	saved := make(chan error, 1)
	go func() {
		_, err := e.Save(ctx, staged("a", 1, "x"))
		saved <- err
	}()
	c, err := l.Accept() // the save waits for an answer
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ended, end := context.WithCancel(t.Context())
	end()
	loaded := make(chan error, 1)
	go func() {
		_, err := e.Load(ended, []byte(`{"pool":"p","id":"a"}`))
		loaded <- err
	}()
	select {
	case err := <-loaded:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case err := <-saved:
		t.Fatalf("the load waited for the save: %v", err)
	}
	cancel()
	<-saved
}
