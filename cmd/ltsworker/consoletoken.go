package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

// tokenExpires is how long a token lasts unless --expires is given.
const tokenExpires = 90 * 24 * time.Hour

func newConsoleUserToken(users *string) *cobra.Command {
	var roles rolesFlag
	name, expires := "default", durationFlag{value: tokenExpires, set: true, word: "never"}
	cmd := &cobra.Command{
		Use:   "token NAME",
		Short: "Make a token for a program that uses the API as a user",
		Long: `Make a token for a program that uses the API of the console as the user NAME. The token
is printed once. The password file has only a hash of it.

The token has the roles of the user, or lower ones from --roles. When the user loses a
role, the token loses it, too. console user ls lists the tokens of each user.`,
		Example: `  ltsworker console user token alice
  ltsworker console user token alice --name ci --roles media=operator --expires 30d
  ltsworker console user token rm alice ci`,
		Args: between(1, 1, "the user's NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			t := access.Token{Name: name, Roles: roles}
			if expires.value != task.Forever {
				t.Expires = time.Now().Add(expires.value)
			}
			secret, err := access.AddToken(*users, args[0], t)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), secret)
			return err
		},
	}
	flags := cmd.Flags()
	flags.Var(&roles, "roles", "`ROLES` by pool, at most those of the user (default those of the user)")
	flags.Var((*textFlag)(&name), "name", "`NAME` of the token")
	flags.Var(&expires, "expires", "the token ends after this time, such as 30d, or never (default 90d)")
	flags.Lookup("expires").DefValue = "" // else the help shows it twice
	cmd.AddCommand(newConsoleUserTokenRemove(users))
	return cmd
}

func newConsoleUserTokenRemove(users *string) *cobra.Command {
	return &cobra.Command{
		Use:   "rm NAME TOKEN...",
		Short: "Remove tokens of a user",
		Args:  between(2, -1, "the user's NAME or the name of a TOKEN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, name := range args[1:] {
				if err := reportUser(cmd, args[0]+" "+name, "removed", access.RemoveToken(*users, args[0], name)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// tokenRecord is a token of a user in JSON output.
type tokenRecord struct {
	Name      string                 `json:"name"`
	Roles     map[string]access.Role `json:"roles"`
	ExpiresAt string                 `json:"expires_at,omitempty"`
	Expired   bool                   `json:"expired"`
}

// tokensText lists tokens in a table.
func tokensText(tokens []access.Token) (text string) {
	for i, t := range tokens {
		if i > 0 {
			text += ", "
		}
		text += terminal.Printable(t.Name)
		switch {
		case t.Expires.IsZero():
		case t.Expires.After(time.Now()):
			text += " (until " + t.Expires.Local().Format(time.DateOnly) + ")"
		default:
			text += " (expired)"
		}
	}
	return text
}

// completeTokens offers the users of the password file, and then the tokens of the named one.
func completeTokens(cmd *cobra.Command, args []string, word string) (names []string, _ cobra.ShellCompDirective) {
	if len(args) == 0 {
		return completeUsers(1)(cmd, args, word)
	}
	list, _ := access.Users(cmd.Flag("users").Value.String()) // none without a file
	for _, a := range list {
		for _, t := range a.Tokens {
			if a.Name == args[0] && !slices.Contains(args[1:], t.Name) {
				names = append(names, t.Name)
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
