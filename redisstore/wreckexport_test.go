package redisstore_test

import "github.com/ltsworker/ltsworker/task"

// stage reports the success of a running task whose result has to be saved.
func (w *wreck) stage(id string) {
	w.t.Helper()
	t := w.task(id)
	w.exchange(nil, task.Report{ID: id, Queue: t.Queue, Fence: t.Fence, Code: task.CodeOK, Result: []byte("1"), Stage: true, Last: true})
	if got := w.state(id); got != task.Exporting {
		w.t.Fatalf("it is %s", got)
	}
}

// saves checks that the task "run" is exporting and can be claimed for a save, if need be after its
// lease has ended.
func (w *wreck) saves() {
	w.t.Helper()
	_, err := w.store.Maintain(w.t.Context(), "keeper")
	w.must(err)
	_, err = w.store.Stop(w.t.Context(), "", "run") // without the backoff of a lost save
	w.must(err)
	_, err = w.store.Retry(w.t.Context(), task.Edit{}, "run")
	w.must(err)
	got := w.claim(1, "export:k")
	if len(got) != 1 || got[0].ID != "run" || got[0].State != task.Exporting || string(got[0].Staged) != "1" {
		w.t.Fatalf("claimed %+v", got)
	}
	w.exchange(nil, task.Report{ID: "run", Queue: "export:k", Fence: got[0].Fence, Code: task.CodeOK, Result: []byte("{}"), Last: true})
	if got := w.task("run"); got.State != task.Succeeded || !got.Exported {
		w.t.Errorf("it is %+v", got)
	}
}
