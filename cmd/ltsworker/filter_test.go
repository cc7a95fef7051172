package main

import (
	"testing"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/task"
)

func FuzzFilter(f *testing.F) {
	f.Add("failed", "a,b", "default", "")
	f.Add("faild", "a b", "{x}", "\x00")
	f.Add("running,waiting", `"quoted,comma"`, "a\nb", `"`)
	f.Fuzz(func(t *testing.T, state, kind, queue, group string) {
		var flags filterFlags
		cmd := &cobra.Command{}
		flags.add(cmd)
		err := cmd.ParseFlags([]string{"--state", state, "--kind", kind, "--queue", queue, "--group", group})
		if err != nil {
			return
		}
		filter, err := flags.filter()
		if err != nil {
			if exitCode(err) != exitUsage {
				t.Errorf("%v is not a usage error", err)
			}
			return
		}
		for _, names := range [][]string{filter.Kinds, filter.Queues, filter.Groups} {
			for _, name := range names {
				if task.CheckName(name) != nil {
					t.Errorf("the name %q was accepted", name)
				}
			}
		}
	})
}
