package access

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ltsworker/ltsworker/task"
)

// A password file is UTF-8 text with one line per user:
//
//	NAME POOL=ROLE[,POOL=ROLE…] $argon2id$v=19$m=19456,t=2,p=1$SALT$KEY [must-change]
//
// and one line per token, which names its user:
//
//	token USER TOKEN POOL=ROLE[,POOL=ROLE…] sha256:HASH EXPIRY|never
//
// with one space between the fields. Empty lines and lines that begin with # are ignored. Only
// the line of a token has six fields.

const (
	// mustChange is the last field of a user who has to change the password.
	mustChange = "must-change"
	// maxFile is the size of a password file in bytes.
	maxFile = 1 << 20
)

// account is the line of a user in a password file.
type account struct {
	name       string
	roles      map[string]Role
	digest     digest
	mustChange bool
}

func (a *account) String() string {
	fields := []string{a.name, FormatRoles(a.roles), a.digest.String()}
	if a.mustChange {
		fields = append(fields, mustChange)
	}
	return strings.Join(fields, " ")
}

// record is the content of a password file.
type record struct {
	lines    []string            // all lines, also those without a user
	accounts []*account          // in the order of the file
	byName   map[string]*account // the same accounts
	tokens   []*token            // in the order of the file
	byHash   map[tokenHash]*token
	orphans  []string    // tokens of users who are missing, which are ignored
	info     os.FileInfo // of the file that was read
}

// readFile reads a password file. It returns an error if the file is not private, if any of
// its lines is invalid, and if it has no user.
func readFile(path string) (*record, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := checkPrivate(info); err != nil {
		return nil, fmt.Errorf("%s %w", path, err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	r, err := parseFile(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r.info = info
	return r, nil
}

func parseFile(text []byte) (*record, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("is longer than %d bytes", maxFile)
	}
	if !utf8.Valid(text) {
		return nil, errors.New("must be UTF-8")
	}
	r := &record{byName: map[string]*account{}, byHash: map[tokenHash]*token{}}
	if len(text) > 0 {
		r.lines = strings.Split(string(bytes.TrimSuffix(text, []byte("\n"))), "\n")
	}
	var errs []error
	for i, line := range r.lines {
		if line == "" || line[0] == '#' {
			continue
		}
		if isToken(line) {
			if err := r.addToken(line); err != nil {
				errs = append(errs, fmt.Errorf("line %d %w", i+1, err))
			}
			continue
		}
		a, err := parseAccount(line)
		if err == nil && r.byName[a.name] != nil {
			err = fmt.Errorf("has the user %q a second time", a.name)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("line %d %w", i+1, err))
			continue
		}
		r.accounts = append(r.accounts, a)
		r.byName[a.name] = a
	}
	if len(errs) == 0 && len(r.accounts) == 0 {
		errs = append(errs, errors.New("has no user"))
	}
	// The line of a user may have been removed by hand: the tokens are worth nothing without it.
	r.tokens = slices.DeleteFunc(r.tokens, func(one *token) bool {
		orphan := r.byName[one.user] == nil
		if orphan {
			r.orphans = append(r.orphans, one.user+" "+one.name)
			delete(r.byHash, one.hash)
		}
		return orphan
	})
	return r, errors.Join(errs...)
}

// parseAccount parses a line. Its errors do not contain the hash.
func parseAccount(line string) (*account, error) {
	fields := strings.Split(line, " ")
	if len(fields) < 3 || len(fields) > 4 {
		return nil, fmt.Errorf("must be NAME ROLES HASH or NAME ROLES HASH %s, with one space between the fields", mustChange)
	}
	a := &account{name: fields[0], mustChange: len(fields) == 4}
	if a.mustChange && fields[3] != mustChange {
		return nil, fmt.Errorf("has a wrong last field: it must be %s", mustChange)
	}
	if err := task.CheckName(a.name); err != nil {
		return nil, fmt.Errorf("has a wrong name: it %w", err)
	}
	var err error
	if a.roles, err = ParseRoles(fields[1]); err != nil {
		return nil, fmt.Errorf("has wrong roles: it %w", err)
	}
	if a.digest, err = parseDigest(fields[2]); err != nil {
		return nil, fmt.Errorf("has a wrong hash: it %w", err)
	}
	return a, nil
}

// set replaces the line of the account, or appends it.
func (r *record) set(a *account) {
	for i, line := range r.lines {
		if strings.HasPrefix(line, a.name+" ") && !isToken(line) {
			r.lines[i] = a.String()
			return
		}
	}
	r.remove(a.name) // tokens of an earlier user with this name must not become those of the new one
	r.lines = append(r.lines, a.String())
}

// remove removes the lines of a user and of the user's tokens.
func (r *record) remove(name string) {
	r.lines = slices.DeleteFunc(r.lines, func(line string) bool {
		if isToken(line) {
			return strings.HasPrefix(line, tokenLine+" "+name+" ")
		}
		return strings.HasPrefix(line, name+" ")
	})
}

func (r *record) text() []byte { return []byte(strings.Join(r.lines, "\n") + "\n") }
