package storetest

import "github.com/ltsworker/ltsworker/task"

// sound checks that an inspection finds nothing to repair in what the store's own
// steps have made.
func (b *bundle) sound() {
	b.Helper()
	looked := false
	for f, err := range b.Store.Inspect(b.ctx, task.Inspection{}) {
		b.ok(err)
		looked = looked || f.Check == "entries"
		if f.Check == "entries" && f.Severity != task.SeverityOK {
			b.Errorf("inspection finds %+v", f)
		}
	}
	if !looked && !b.Failed() {
		b.Error("the inspection did not look at the entries")
	}
}
