package file

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/pool/pooltest"
	"github.com/ltsworker/ltsworker/task"
)

func newExporter(t *testing.T, name string) (*Exporter, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "results")
	e, err := New(Config{Dir: dir, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e, dir
}

// files returns the contents of the files below a directory by their paths.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		path, _ = filepath.Rel(dir, path)
		found[filepath.ToSlash(path)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func staged(id string, fence int64, result string) *task.Staged {
	return &task.Staged{ID: id, Kind: "k", Fence: fence, CreatedAt: time.Unix(0, 0), Result: []byte(result)}
}

func TestResultIsLoadedByItsReference(t *testing.T) {
	e, dir := newExporter(t, "")
	for _, result := range []string{"", `{"n":1}`, "\xff\x00", strings.Repeat("x", task.MaxStagedResult)} {
		ref, err := e.Save(t.Context(), staged("a", 1, result))
		if err != nil || task.CheckReference(ref) != nil {
			t.Fatal(err, task.CheckReference(ref))
		}
		if got, err := e.Load(t.Context(), ref); err != nil || string(got) != result {
			t.Errorf("loaded %d bytes of %d, %v", len(got), len(result), err)
		}
		if err := e.Delete(t.Context(), ref); err != nil {
			t.Error(err)
		}
		if err := e.Delete(t.Context(), ref); err != nil {
			t.Errorf("deleted again: %v", err)
		}
		if _, err := e.Load(t.Context(), ref); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("loaded after the deletion: %v", err)
		}
	}
	if left := files(t, dir); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestOlderFenceNeverReplacesANewerOne(t *testing.T) {
	e, dir := newExporter(t, "")
	save := func(fence int64) (task.Reference, error) {
		return e.Save(t.Context(), staged("a", fence, fmt.Sprint("of ", fence)))
	}
	old, err := save(5)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := save(7)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := save(6); !errors.Is(err, errSuperseded) {
		t.Errorf("saved with an older fence: %v", err)
	}
	if _, err := e.Load(t.Context(), old); err == nil {
		t.Error("the older file is left")
	}
	if got, err := e.Load(t.Context(), ref); err != nil || string(got) != "of 7" {
		t.Errorf("loaded %q, %v", got, err)
	}
	if all := files(t, dir); len(all) != 1 {
		t.Errorf("files: %v", all)
	}
}

func TestNameOfLongValuesIsCut(t *testing.T) {
	e, _ := newExporter(t, "{kind}-{queue}-{group}-{id}/{id}{id}{id}{id}")
	r := staged(strings.Repeat("視", 42), 1, "x")
	r.Kind, r.Queue, r.Group = r.ID, r.ID, r.ID
	ref, err := e.Save(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := e.Load(t.Context(), ref); err != nil || string(got) != "x" {
		t.Errorf("loaded %q, %v", got, err)
	}
}

// A Redis that has lost its data counts fences from 1 again.
func TestTaskOfALaterRedisHasAFileOfItsOwn(t *testing.T) {
	e, _ := newExporter(t, "")
	old, err := e.Save(t.Context(), staged("a", 1000, "old"))
	if err != nil {
		t.Fatal(err)
	}
	later := staged("a", 1, "new")
	later.CreatedAt = later.CreatedAt.Add(time.Second)
	ref, err := e.Save(t.Context(), later)
	if err != nil {
		t.Fatal(err)
	}
	for want, ref := range map[string]task.Reference{"old": old, "new": ref} {
		if got, err := e.Load(t.Context(), ref); err != nil || string(got) != want {
			t.Errorf("loaded %q, %v, want %q", got, err, want)
		}
	}
}

func TestConcurrentSavesLeaveTheNewest(t *testing.T) {
	e, dir := newExporter(t, "")
	var wg sync.WaitGroup
	for fence := int64(1); fence <= 20; fence++ {
		wg.Go(func() { e.Save(t.Context(), staged("a", fence, fmt.Sprint("of ", fence))) })
	}
	wg.Wait()
	all := files(t, dir)
	if len(all) != 1 {
		t.Errorf("files: %v", all)
	}
	for _, got := range all {
		if got != "of 20" {
			t.Errorf("saved %q", got)
		}
	}
}

func TestSaveThatFailsLeavesTheFileOfAnother(t *testing.T) {
	e, dir := newExporter(t, "")
	ref, err := e.Save(t.Context(), staged("a", 1, "first"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Save(ctx, staged("a", 2, "second")); !errors.Is(err, context.Canceled) {
		t.Errorf("saved: %v", err)
	}
	if got, err := e.Load(t.Context(), ref); err != nil || string(got) != "first" {
		t.Errorf("loaded %q, %v", got, err)
	}
	if all := files(t, dir); len(all) != 1 {
		t.Errorf("files: %v", all)
	}
}

// TestWhatAKilledSaveLeftIsRemoved checks that the rest of a save that was killed disappears with
// the next save.
func TestWhatAKilledSaveLeftIsRemoved(t *testing.T) {
	e, dir := newExporter(t, "")
	r := staged("a", 9, "whole")
	rest := filepath.Join(dir, filepath.FromSlash(e.dir(r)))
	if err := os.MkdirAll(rest, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(rest, "8.tmp"), []byte("ha"), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Save(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if all := files(t, dir); len(all) != 1 {
		t.Errorf("files: %v", all)
	}
}

func TestNamesStayBelowTheDirectory(t *testing.T) {
	e, dir := newExporter(t, "{kind}/{date}/{group}/{id}.json")
	seen := map[string]bool{}
	for _, id := range []string{"a", "A", "a/../../../b", "a/b", "a:b", "a%2Fb", "ä{kind}", strings.Repeat("x", 127) + "1", strings.Repeat("x", 127) + "2"} {
		r := staged(id, 1, id)
		r.Kind = "k/../k"
		ref, err := e.Save(t.Context(), r)
		if err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		var at reference
		if err := json.Unmarshal(ref, &at); err != nil {
			t.Fatal(err)
		}
		if parts := strings.Split(at.File, "/"); len(parts) != 5 || parts[0] != "k%2F..%2Fk" || parts[1] != "1970-01-01" || parts[2] != "_" || seen[strings.ToLower(at.File)] {
			t.Errorf("%s is in %s", id, at.File)
		}
		seen[strings.ToLower(at.File)] = true
		if got, err := e.Load(t.Context(), ref); err != nil || string(got) != id {
			t.Errorf("%s: loaded %q, %v", id, got, err)
		}
	}
	if all := files(t, filepath.Dir(dir)); len(all) != len(seen) {
		t.Errorf("files: %v", all)
	}
}

func TestReferencesThatNameOtherFilesAreRefused(t *testing.T) {
	e, dir := newExporter(t, "")
	outside := filepath.Join(filepath.Dir(dir), "secret")
	if err := os.WriteFile(outside, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for _, file := range []string{"../secret", outside, "link", "a/../../secret", ""} {
		ref, err := json.Marshal(reference{File: file, SHA256: empty})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := e.Load(t.Context(), ref); err == nil {
			t.Errorf("%s: loaded %q", file, got)
		}
		if file != "link" && e.Delete(t.Context(), ref) == nil {
			t.Errorf("%s: deleted", file)
		}
	}
	if _, err := os.Stat(outside); err != nil {
		t.Error(err)
	}
}

func TestDamagedFileIsNotLoaded(t *testing.T) {
	e, dir := newExporter(t, "")
	ref, err := e.Save(t.Context(), staged("a", 1, "whole"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range files(t, dir) {
		for _, data := range []string{"half", "whole and more"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o640); err != nil {
				t.Fatal(err)
			}
			if got, err := e.Load(t.Context(), ref); !errors.Is(err, ErrDamaged) {
				t.Errorf("loaded %q, %v", got, err)
			}
		}
	}
}

func TestTemplatesThatLeaveTheDirectoryAreRefused(t *testing.T) {
	for _, name := range []string{"/x", "../{id}", "{id}/../..", "{id}/", "a//b", ".", "{what}", "{", "a\\b", "{id}/./x"} {
		var wrong *task.FieldError
		if _, err := New(Config{Dir: t.TempDir(), Name: name}); !errors.As(err, &wrong) || wrong.Field != "name" {
			t.Errorf("%q: %v", name, err)
		}
	}
}

type count struct{ Text string }

func (count) Kind() string { return "text.count" }

type counted struct{ Letters int }

// TestPoolKeepsItsResultsInFiles runs a task whose result a pool keeps in a file.
func TestPoolKeepsItsResultsInFiles(t *testing.T) {
	e, dir := newExporter(t, "")
	p := pooltest.New(t, pool.Config{Exports: map[string]pool.Export{"text.count": {Exporter: e}}})
	runs := 0
	pool.HandleResult(p.Pool, func(_ context.Context, t *pool.Task[count]) (counted, error) {
		runs++
		return counted{len(t.Args.Text)}, nil
	})
	p.Start(t)
	r, err := p.Enqueue(t.Context(), count{"four"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := pool.Wait[counted](t.Context(), p.Pool, r.ID)
	if err != nil || got.Letters != 4 {
		t.Errorf("waited for %+v, %v", got, err)
	}
	if got, err := pool.Result[counted](t.Context(), p.Pool, r.ID); err != nil || got.Letters != 4 {
		t.Errorf("the result is %+v, %v", got, err)
	}
	tk, err := p.Get(t.Context(), r.ID)
	if err != nil || !tk.Exported || tk.State != pool.Succeeded || runs != 1 {
		t.Errorf("ran %d times: %+v, %v", runs, tk, err)
	}
	if all := files(t, dir); len(all) != 1 {
		t.Errorf("files: %v", all)
	}
}
