package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/redisstore"
)

func newSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of an inbox entry",
		Long: `Print the JSON Schema (draft 2020-12) of an inbox entry, for editors and for programs
that enqueue by RPUSH. The command needs no Redis. The descriptions in the schema have
the rules that a schema cannot express.

  ltsworker schema > entry.schema.json`,
		Args: between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), redisstore.EntrySchema())
			return err
		},
	}
}
