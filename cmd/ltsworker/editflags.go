package main

import (
	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

// editFlags are the flags for another priority and another payload of tasks.
type editFlags struct {
	priority int8
	payload  textFlag
	edit     task.Edit // what the flags say, after read
}

func (f *editFlags) add(cmd *cobra.Command) {
	cmd.Flags().Int8Var(&f.priority, "priority", 0, "new priority of the tasks, from -128 to 127")
	cmd.Flags().Var(&f.payload, "payload", "new payload of the tasks: `JSON`, or - for the standard input")
}

// read sets edit from the flags and the standard input.
func (f *editFlags) read(cmd *cobra.Command) error {
	if cmd.Flags().Changed("priority") {
		f.edit.Priority = &f.priority
	}
	if f.payload == "" {
		return nil
	}
	return terminal.Interruptibly(cmd.Context(), func() (err error) {
		f.edit.Payload, err = payload([]string{"", string(f.payload)}, cmd.InOrStdin())
		return err
	})
}
