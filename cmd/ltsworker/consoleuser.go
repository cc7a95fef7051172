package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/internal/terminal"
)

// defaultUsersFile is the password file of the console that is used if none is named.
const defaultUsersFile = "console.users"

func newConsoleUser() *cobra.Command {
	users := defaultUsersFile
	cmd := &cobra.Command{
		Use:   "user COMMAND",
		Short: "Add, change, remove or list the users in a password file of the console",
		Long: `Add, change, remove or list the users in a password file of the console. The file has a
hash of each password (argon2id), never the password. Only its owner may read it. A
running console uses a change with the next request: the sessions of a user who was
changed or removed end.

A role is none, viewer, operator or admin. Roles are given by pool, and * stands for each
pool that is not named: "*=viewer,media=operator".`,
		Example: `  ltsworker console user add alice --roles "*=admin"
  ltsworker console user add bob --roles "*=viewer,media=operator" --password-file bob.txt --must-change
  ltsworker console user set bob --roles "*=viewer"
  ltsworker console user token bob --name ci
  ltsworker console user ls`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().Var((*textFlag)(&users), "users", "password `FILE` of the console")
	cmd.AddCommand(newConsoleUserAdd(&users), newConsoleUserSet(&users), newConsoleUserRemove(&users), newConsoleUserList(&users),
		newConsoleUserToken(&users))
	return cmd
}

// accountFlags are the flags that describe a user.
type accountFlags struct {
	roles        rolesFlag
	passwordFile string
	mustChange   bool
}

func (f *accountFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.Var(&f.roles, "roles", "`ROLES` by pool, such as \"*=viewer,media=operator\"")
	flags.Var((*textFlag)(&f.passwordFile), "password-file", "`FILE` whose first line is the password, - for standard input (default: ask)")
	flags.BoolVar(&f.mustChange, "must-change", false, "the user must change the password after the next login")
}

// rolesFlag is roles by pool on the command line.
type rolesFlag map[string]access.Role

func (f *rolesFlag) Set(s string) (err error) {
	*f, err = access.ParseRoles(s)
	return err
}

func (f *rolesFlag) String() string { return access.FormatRoles(*f) }
func (f *rolesFlag) Type() string   { return "string" }

// maxPasswordFile is how much of a file with a password is read.
const maxPasswordFile = 4096

// password reads the new password from the file of the flag, or asks twice for it.
func (f *accountFlags) password(cmd *cobra.Command, name string) (password string, err error) {
	if f.passwordFile != "" {
		err = terminal.Interruptibly(cmd.Context(), func() (err error) {
			password, err = readPassword(cmd.InOrStdin(), f.passwordFile)
			return err
		})
		return password, err
	}
	ask := func(question string) (string, error) {
		return terminal.Secret(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr(), question)
	}
	if password, err = ask("New password for " + terminal.Printable(name) + ": "); err == nil {
		var again string
		if again, err = ask("The same again: "); err == nil && again != password {
			err = &inputError{errors.New("the passwords differ: nothing was changed")}
		}
	}
	if errors.Is(err, terminal.ErrNoTerminal) {
		err = usagef("the password is missing: set --password-file, - for standard input")
	}
	return password, err
}

func readPassword(in io.Reader, name string) (string, error) {
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return "", &inputError{err}
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, maxPasswordFile))
	if err != nil {
		return "", &inputError{fmt.Errorf("read the password: %w", err)}
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSuffix(line, "\r"), nil
}

func newConsoleUserAdd(users *string) *cobra.Command {
	var f accountFlags
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a user",
		Long: `Add a user. The password is asked for at the terminal, or read from the file of
--password-file. It must have at least 15 characters. The password file is created if it
does not exist.`,
		Args: between(1, 1, "the user's NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.roles == nil {
				return usagef(`--roles is missing, such as --roles "*=viewer"`)
			}
			password, err := f.password(cmd, args[0])
			if err != nil {
				return err
			}
			err = access.AddUser(*users, access.Account{Name: args[0], Roles: f.roles, Password: password, MustChange: f.mustChange})
			return reportUser(cmd, args[0], "added", err)
		},
	}
	f.add(cmd)
	return cmd
}

func newConsoleUserSet(users *string) *cobra.Command {
	var f accountFlags
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Change the roles or the password of a user",
		Long: `Change the roles of a user with --roles, the password with --password-file, or both.
Without these flags a new password is asked for at the terminal.`,
		Args: between(1, 1, "the user's NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a := access.Account{Name: args[0], Roles: f.roles, MustChange: f.mustChange}
			if f.passwordFile == "" && f.roles != nil {
				if f.mustChange {
					return usagef("--must-change needs a new password: set --password-file, or leave --roles out")
				}
			} else {
				var err error
				if a.Password, err = f.password(cmd, args[0]); err != nil {
					return err
				}
				if a.Password == "" {
					return &inputError{errors.New("the password is empty: nothing was changed")}
				}
			}
			return reportUser(cmd, args[0], "changed", access.SetUser(*users, a))
		},
	}
	f.add(cmd)
	return cmd
}

func newConsoleUserRemove(users *string) *cobra.Command {
	return &cobra.Command{
		Use:   "rm NAME...",
		Short: "Remove users with their tokens",
		Args:  between(1, -1, "a user's NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, name := range args {
				if err := reportUser(cmd, name, "removed", access.RemoveUser(*users, name)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func reportUser(cmd *cobra.Command, name, done string, err error) error {
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), name, done)
	return err
}

func newConsoleUserList(users *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List the users and their tokens",
		Args:  between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := access.Users(*users)
			if errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("there is no password file %s; ltsworker console user add makes it, --users names another one", terminal.Printable(*users))
			}
			if err != nil {
				return err
			}
			tab := terminal.NewTable(cmd.OutOrStdout(), "NAME", "ROLES", "STATE", "TOKENS")
			for _, a := range list {
				if asJSON {
					err := terminal.WriteJSON(cmd.OutOrStdout(), recordUser(&a))
					if err != nil {
						return err
					}
					continue
				}
				tab.Row(terminal.Printable(a.Name), terminal.Printable(access.FormatRoles(a.Roles)), terminal.FlagText(a.MustChange, "must change the password"), tokensText(a.Tokens))
			}
			if asJSON {
				return nil
			}
			return tab.Flush()
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}

// userRecord is a user in JSON output.
type userRecord struct {
	Name       string                 `json:"name"`
	Roles      map[string]access.Role `json:"roles"`
	MustChange bool                   `json:"must_change"`
	Tokens     []tokenRecord          `json:"tokens"`
}

func recordUser(a *access.Account) userRecord {
	r := userRecord{Name: a.Name, Roles: a.Roles, MustChange: a.MustChange, Tokens: []tokenRecord{}}
	for _, t := range a.Tokens {
		r.Tokens = append(r.Tokens, tokenRecord{t.Name, t.Roles, record.Instant(t.Expires), !t.Expires.IsZero() && !t.Expires.After(time.Now())})
	}
	return r
}

// completeUsers offers the users of the password file, for atMost arguments (0 is any number).
func completeUsers(atMost int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
		if atMost == 0 || len(args) < atMost {
			list, _ := access.Users(cmd.Flag("users").Value.String()) // none without a file
			for _, a := range list {
				if !slices.Contains(args, a.Name) {
					names = append(names, a.Name)
				}
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
