package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/trigger"
)

func newSchema() *cobra.Command {
	ofTrigger := false
	cmd := &cobra.Command{
		Use:   "schema [--trigger]",
		Short: "Print the JSON Schema of an inbox entry",
		Long: `Print the JSON Schema (draft 2020-12) of an inbox entry, for editors and for programs
that enqueue by RPUSH. With --trigger it is that of an entry that sets or removes a
trigger. The command needs no Redis. The descriptions in the schema have the rules that a
schema cannot express.

  ltsworker schema > entry.schema.json`,
		Args: between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			schema := redisstore.EntrySchema()
			if ofTrigger {
				schema = trigger.EntrySchema()
			}
			_, err := io.WriteString(cmd.OutOrStdout(), schema)
			return err
		},
	}
	cmd.Flags().BoolVar(&ofTrigger, "trigger", false, "that of an entry of triggers:inbox")
	return cmd
}
