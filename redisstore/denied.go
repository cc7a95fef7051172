package redisstore

import (
	"errors"
	"regexp"
	"strings"

	"github.com/ltsworker/ltsworker/internal/findings"
	"github.com/ltsworker/ltsworker/task"
)

// usersPage is where the rights of each kind of user are.
const usersPage = findings.UsersPage

// checkPoolName is the advice to a user that may not access a pool.
const checkPoolName = findings.CheckPoolName

// isRefused reports whether the server's ACL denied a call or a command in a script.
func isRefused(err error) bool {
	return strings.HasPrefix(err.Error(), "NOPERM") || inScript(err)
}

// inScript reports whether the server denied a command in a script.
func inScript(err error) bool {
	msg := err.Error()
	return strings.Contains(msg, "ACL failure in script") || strings.Contains(msg, "can't run this command")
}

// deniedError is an ErrDenied. It wraps the error of Redis.
type deniedError struct {
	what  string // the command or the keys that the user may not use
	cause error
}

func (e deniedError) Error() string { return task.ErrDenied.Error() + ": " + e.what }

func (deniedError) Is(target error) bool { return target == task.ErrDenied }

func (e deniedError) Unwrap() error { return e.cause }

// refusedCommand matches the texts with which Redis denies a command, and refusedKey those
// with which it denies a key.
var (
	refusedCommand = regexp.MustCompile(`[Uu]ser (?:(\S+) )?has no permissions to run the '([^']+)' command`)
	refusedKey     = regexp.MustCompile(`permissions to access .*key|can't access .* keys`)
)

// denied returns an ErrDenied for an error of isRefused, with advice.
func (s *Store) denied(err error) error {
	msg := strings.TrimPrefix(err.Error(), "NOPERM ")
	needs := "a worker's ACL user needs " + strings.ReplaceAll(findings.WorkerGrant, "{prefix}", s.prefix)
	if !s.access.changes.Load() {
		needs = usersPage + " lists what each user needs"
	}
	var refused refusal
	switch m := refusedCommand.FindStringSubmatch(msg); {
	case errors.As(err, &refused) && strings.HasSuffix(string(refused), onlyReads):
		needs = "use a user that may write: " + usersPage
	case m != nil && m[1] != "":
		msg = "user " + m[1] + " may not run " + commandName(m[2])
	case m != nil:
		msg = "this user may not run " + commandName(m[2])
	case refusedKey.MatchString(msg):
		msg = "this user may not access the keys of pool " + s.pool
		needs = checkPoolName
	case inScript(err):
		msg = "this user may not run a command of a script"
		needs = "ltsworker doctor names the command; " + needs
	}
	return advise(deniedError{msg, err}, needs)
}

// commandName returns a command as documents write it: "CONFIG GET" for "config|get".
func commandName(name string) string { return strings.ToUpper(strings.ReplaceAll(name, "|", " ")) }
