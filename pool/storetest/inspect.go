package storetest

import "github.com/ltsworker/ltsworker/task"

// checkInspection checks that an inspection finds nothing to repair after the steps of
// the store.
func (fx *fixture) checkInspection() {
	fx.Helper()
	checked := false
	for f, err := range fx.Store.Inspect(fx.ctx, task.Inspection{}) {
		fx.noError(err)
		checked = checked || f.Check == "entries"
		if f.Check == "entries" && f.Severity != task.SeverityOK {
			fx.Errorf("inspection finds %+v", f)
		}
	}
	if !checked && !fx.Failed() {
		fx.Error("the inspection did not check the entries")
	}
}
