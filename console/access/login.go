package access

import (
	"context"
	"errors"
	"net/http"

	"github.com/ltsworker/ltsworker/task"
)

// Login checks a password against the password file and starts a session, which replaces the
// one that the request has. The password is not limited by this package before it is read:
// bound the body of the request. The next request has the user, who may have to change the
// password first: see User.MustChange.
//
// The error is ErrCredentials, a *TooManyError, ErrBusy, ErrUnavailable, ErrNoMethod or the
// cause of the request's context. Nothing was written then. A wrong name takes as long as a
// wrong password. After ten failures from an address one more is possible every 30 seconds.
// After ten failures with a name each login with it takes 5 seconds longer.
func (g *Gate) Login(w http.ResponseWriter, r *http.Request, name, password string) error {
	a, err := g.authenticate(r, name, password)
	if err != nil {
		g.failed(r, name, err)
		return err
	}
	g.begin(w, r, a.user(), a.String())
	g.report(r, EventLogin, a.user(), nil)
	return nil
}

func (a *account) user() User {
	return User{Name: a.name, Method: MethodPassword, Roles: a.roles, MustChange: a.mustChange}
}

// authenticate returns the account that has the name and the password.
func (g *Gate) authenticate(r *http.Request, name, password string) (*account, error) {
	if g.passwords == nil {
		return nil, ErrNoMethod
	}
	ctx := r.Context()
	end, err := g.attempts.begin(ctx, g.proxies.client(r), name)
	if err != nil {
		return nil, err
	}
	failed := false
	defer func() { end(failed) }()
	content, err := g.passwords.current()
	if err != nil {
		return nil, ErrUnavailable
	}
	a := content.byName[name]
	want := g.passwords.decoy(content, name)
	if a != nil {
		want = a.digest
	}
	failed = true // also if the client gives up
	same, err := g.hasher.verify(ctx, want, password)
	switch {
	case err != nil:
		return nil, err
	case !same || a == nil:
		return nil, ErrCredentials
	}
	failed = false
	return a, nil
}

// ChangePassword changes the password of the user whose session the request has. It starts a
// new session; the other ones with a password end, because the user's line has changed. This
// process must be able to replace the password file, in a directory that it may write.
//
// The error is ErrNoSession, a *task.FieldError with the field password if the new password
// cannot be used, or one that Login returns: ErrCredentials if the old password is wrong.
func (g *Gate) ChangePassword(w http.ResponseWriter, r *http.Request, old, password string) error {
	u := g.sessionUser(r, true)
	if u == nil || u.Method != MethodPassword {
		return ErrNoSession
	}
	if err := checkNewPassword(password); err != nil {
		return err
	}
	if password == old {
		return &task.FieldError{Field: "password", Msg: "must not be the old one"}
	}
	a, err := g.authenticate(r, u.Name, old)
	if err != nil {
		g.failed(r, u.Name, err)
		return err
	}
	changed, err := g.writePassword(r.Context(), a, password)
	if err != nil {
		return err
	}
	g.begin(w, r, changed.user(), changed.String())
	g.report(r, EventPassword, changed.user(), nil)
	return nil
}

// writePassword writes the new password of an account to the file. It returns ErrNoSession if
// the line of the account has changed meanwhile.
func (g *Gate) writePassword(ctx context.Context, a *account, password string) (*account, error) {
	changed := *a
	changed.mustChange = false
	if err := g.hasher.do(ctx, func() { changed.digest = newDigest(password) }); err != nil {
		return nil, err
	}
	err := edit(g.options.PasswordFile, func(r *record) error {
		if now := r.byName[a.name]; now == nil || now.String() != a.String() {
			return ErrNoSession
		}
		r.set(&changed)
		return nil
	})
	if err != nil && !errors.Is(err, ErrNoSession) {
		g.options.Log.Error("the password file cannot be written", "err", err)
		err = ErrUnavailable
	}
	return &changed, err
}
