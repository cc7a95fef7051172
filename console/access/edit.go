package access

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/ltsworker/ltsworker/task"
)

// MinPassword is the least length of a new password in characters. NIST SP 800-63B-4, section
// 3.1.1.2, requires it of passwords that are the only factor.
const MinPassword = 15

var (
	// ErrUserExists is returned when a user to add is in the password file already.
	ErrUserExists = errors.New("the user exists already")
	// ErrNoUser is returned when the password file has no user with the name.
	ErrNoUser = errors.New("no such user")
	// ErrLastUser is returned when the only user of a password file is to be removed.
	ErrLastUser = errors.New("the only user cannot be removed")
)

// Account is a user of a password file.
type Account struct {
	Name string
	// Roles are the roles by pool. AllPools stands for each pool without an entry of its own.
	Roles map[string]Role
	// Password is the new password, from MinPassword characters to 1 KiB. Users leaves it
	// empty.
	Password string
	// MustChange says that the user has to change the password after the next login. Until
	// then the user has no role.
	MustChange bool
	// Tokens are the tokens of the user. Only Users sets it.
	Tokens []Token
}

// FirstStart makes a password file if none exists. Its user admin has the role Admin in all
// pools and must change the password at the first login. FirstStart returns the password,
// which is nowhere else: show it once. If the file exists, FirstStart returns "" and does not
// read it.
func FirstStart(path string) (password string, err error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	password = rand.Text()
	err = create(path, &account{name: "admin", roles: map[string]Role{AllPools: Admin}, digest: newDigest(password), mustChange: true})
	if errors.Is(err, fs.ErrExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return password, nil
}

// AddUser adds a user to a password file. It makes the file if none exists. The error is
// ErrUserExists, a *task.FieldError for a wrong field, or that of the file.
func AddUser(path string, a Account) error {
	err := errors.Join(checkAccount(a), checkNewPassword(a.Password))
	if err != nil {
		return err
	}
	line := &account{name: a.Name, roles: a.Roles, digest: newDigest(a.Password), mustChange: a.MustChange}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		if err := create(path, line); !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return edit(path, func(r *record) error {
		if r.byName[a.Name] != nil {
			return fmt.Errorf("%s: %w", a.Name, ErrUserExists)
		}
		r.set(line)
		return nil
	})
}

// SetUser changes a user of a password file: the roles if a.Roles is not nil, and the
// password with MustChange if a.Password is not empty. The sessions of the user end. The
// error is ErrNoUser, a *task.FieldError for a wrong field, or that of the file.
func SetUser(path string, a Account) error {
	var hash digest
	if a.Password != "" {
		if err := checkNewPassword(a.Password); err != nil {
			return err
		}
		hash = newDigest(a.Password)
	}
	if a.Roles != nil {
		if err := checkAccount(a); err != nil {
			return err
		}
	}
	return edit(path, func(r *record) error {
		line := r.byName[a.Name]
		if line == nil {
			return fmt.Errorf("%s: %w", a.Name, ErrNoUser)
		}
		if a.Roles != nil {
			line.roles = a.Roles
		}
		if a.Password != "" {
			line.digest, line.mustChange = hash, a.MustChange
		}
		r.set(line)
		return nil
	})
}

// RemoveUser removes a user with all tokens from a password file. The sessions of the user end.
// The error is ErrNoUser, ErrLastUser, or that of the file.
func RemoveUser(path, name string) error {
	return edit(path, func(r *record) error {
		switch {
		case r.byName[name] == nil:
			return fmt.Errorf("%s: %w", name, ErrNoUser)
		case len(r.accounts) == 1:
			return fmt.Errorf("%s: %w", name, ErrLastUser)
		}
		r.remove(name)
		return nil
	})
}

// Users returns the users of a password file, in its order.
func Users(path string) ([]Account, error) {
	r, err := readFile(path)
	if err != nil {
		return nil, err
	}
	var users []Account
	for _, a := range r.accounts {
		user := Account{Name: a.name, Roles: a.roles, MustChange: a.mustChange}
		for _, one := range r.tokens {
			if one.user == a.name {
				user.Tokens = append(user.Tokens, Token{Name: one.name, Roles: one.roles, Expires: one.expires})
			}
		}
		users = append(users, user)
	}
	return users, nil
}

func checkAccount(a Account) error {
	var errs []error
	if err := task.CheckName(a.Name); err != nil {
		errs = append(errs, &task.FieldError{Field: "name", Msg: err.Error()})
	}
	if len(a.Roles) == 0 {
		errs = append(errs, &task.FieldError{Field: "roles", Msg: "must not be empty"})
	}
	return errors.Join(append(errs, checkRoles("roles", a.Roles))...)
}

func checkNewPassword(p string) error {
	msg := ""
	switch n := utf8.RuneCountInString(p); {
	case !utf8.ValidString(p) || strings.ContainsAny(p, "\x00\r\n"):
		msg = "must be UTF-8 without line breaks"
	case n < MinPassword:
		msg = fmt.Sprintf("has %d characters; at least %d are needed", n, MinPassword)
	case len(p) > maxPassword:
		msg = fmt.Sprintf("is %d bytes long; the limit is %d", len(p), maxPassword)
	default:
		return nil
	}
	return &task.FieldError{Field: "password", Msg: msg}
}

// edit changes a password file. Readers see the old or the new file, never a part.
func edit(path string, change func(*record) error) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	release, err := lockCurrent(path)
	if err != nil {
		return err
	}
	defer release()
	r, err := readFile(path)
	if err != nil {
		return err
	}
	if err := change(r); err != nil {
		return err
	}
	return replace(path, r)
}

// replace gives the name of the file that was read to a new file with the lines of r.
func replace(path string, r *record) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	err = errors.Join(keepOwner(f, r.info), finish(f, r.text()))
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	return syncDir(filepath.Dir(path))
}

// create makes a password file with one user. It returns an error that is fs.ErrExist if the
// file exists.
func create(path string, a *account) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := finish(f, []byte(a.String()+"\n")); err != nil {
		os.Remove(path)
		return err
	}
	return syncDir(filepath.Dir(path))
}

// finish writes the text, makes it durable and closes the file.
func finish(f *os.File, text []byte) error {
	_, err := f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
