package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var (
	// ErrTokenExists is returned when a token to add has the name of another one of the user.
	ErrTokenExists = errors.New("the token exists already")
	// ErrNoToken is returned when a user has no token with the name.
	ErrNoToken = errors.New("no such token")
)

// Token is a credential of a program. It belongs to a user of a password file.
type Token struct {
	Name string
	// Roles are the roles by pool. A request has at most the roles that the user has then.
	// Default: the roles of the user when the token is made.
	Roles map[string]Role
	// Expires is the end of the token. The zero Time means never.
	Expires time.Time
}

const (
	// tokenLine is the first field of the line of a token.
	tokenLine = "token"
	// tokenPrefix is the beginning of each token, by which scanners of secrets find it.
	tokenPrefix = "lts_"
	hashPrefix  = "sha256:"
	never       = "never"
)

type tokenHash [sha256.Size]byte

// token is the line of a token in a password file. It has only the hash of the secret: a hash
// of 256 random bits needs no salt and no work factor.
type token struct {
	user, name string
	roles      map[string]Role
	hash       tokenHash
	expires    time.Time // zero for never
}

func (t *token) String() string {
	expires := never
	if !t.expires.IsZero() {
		expires = t.expires.UTC().Format(time.RFC3339)
	}
	return strings.Join([]string{tokenLine, t.user, t.name, FormatRoles(t.roles), hashPrefix + base64.RawURLEncoding.EncodeToString(t.hash[:]), expires}, " ")
}

// isToken reports whether a line is that of a token. A user may have the name token.
func isToken(line string) bool {
	return strings.HasPrefix(line, tokenLine+" ") && strings.Count(line, " ") == 5
}

// addToken parses the line of a token. Its errors do not contain the hash.
func (r *record) addToken(line string) error {
	fields := strings.Split(line, " ")
	t := &token{user: fields[1], name: fields[2]}
	for _, name := range []string{t.user, t.name} {
		if err := task.CheckName(name); err != nil {
			return fmt.Errorf("has a wrong name: it %w", err)
		}
	}
	var err error
	if t.roles, err = ParseRoles(fields[3]); err != nil {
		return fmt.Errorf("has wrong roles: it %w", err)
	}
	text, named := strings.CutPrefix(fields[4], hashPrefix)
	hash, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || !named || len(hash) != len(t.hash) {
		return errors.New("has a wrong hash: it must be " + hashPrefix + " and 43 characters of base64")
	}
	copy(t.hash[:], hash)
	if fields[5] != never {
		if t.expires, err = time.Parse(time.RFC3339, fields[5]); err != nil {
			return errors.New("has a wrong expiry: it must be a time such as 2030-01-31T00:00:00Z, or " + never)
		}
	}
	if r.byHash[t.hash] != nil || r.tokenOf(t.user, t.name) != nil {
		return fmt.Errorf("has the token %q of %q a second time", t.name, t.user)
	}
	r.tokens = append(r.tokens, t)
	r.byHash[t.hash] = t
	return nil
}

func (r *record) tokenOf(user, name string) *token {
	i := slices.IndexFunc(r.tokens, func(t *token) bool { return t.user == user && t.name == name })
	if i < 0 {
		return nil
	}
	return r.tokens[i]
}

// AddToken adds a token of a user to a password file and returns its secret, which is nowhere
// else: show it once. The error is ErrNoUser, ErrTokenExists, a *task.FieldError for a wrong
// field, or that of the file.
func AddToken(path, user string, t Token) (secret string, err error) {
	var errs []error
	if err := task.CheckName(t.Name); err != nil {
		errs = append(errs, &task.FieldError{Field: "name", Msg: err.Error()})
	}
	if !t.Expires.IsZero() && !t.Expires.After(time.Now()) {
		errs = append(errs, &task.FieldError{Field: "expires", Msg: "must not be in the past"})
	}
	if t.Roles != nil {
		errs = append(errs, checkRoles("roles", t.Roles))
	}
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	random := make([]byte, tokenSize)
	rand.Read(random)
	secret = tokenPrefix + base64.RawURLEncoding.EncodeToString(random)
	line := &token{user: user, name: t.Name, roles: t.Roles, hash: sha256.Sum256([]byte(secret)), expires: t.Expires}
	err = edit(path, func(r *record) error {
		a := r.byName[user]
		switch {
		case a == nil:
			return fmt.Errorf("%s: %w", user, ErrNoUser)
		case r.tokenOf(user, t.Name) != nil:
			return fmt.Errorf("%s: %w", t.Name, ErrTokenExists)
		case len(line.roles) == 0:
			line.roles = a.roles
		}
		if err := within(line.roles, a.roles); err != nil {
			return err
		}
		r.lines = append(r.lines, line.String())
		return nil
	})
	if err != nil {
		return "", err
	}
	return secret, nil
}

// within returns an error for each role of a token that is above that of its user.
func within(roles, user map[string]Role) error {
	var errs []error
	for _, pool := range pools(roles, user) {
		if mine, most := roleIn(roles, pool), roleIn(user, pool); mine > most {
			errs = append(errs, &task.FieldError{Field: "roles", Msg: fmt.Sprintf("give %s in %s; the user has %s there", mine, pool, most)})
		}
	}
	return errors.Join(errs...)
}

// pools returns the pools that any of the maps names, sorted. AllPools is among them.
func pools(of ...map[string]Role) []string {
	all := map[string]Role{AllPools: None}
	for _, roles := range of {
		maps.Copy(all, roles)
	}
	return slices.Sorted(maps.Keys(all))
}

// RemoveToken removes a token of a user from a password file. The error is ErrNoUser,
// ErrNoToken, or that of the file.
func RemoveToken(path, user, name string) error {
	return edit(path, func(r *record) error {
		if r.byName[user] == nil {
			return fmt.Errorf("%s: %w", user, ErrNoUser)
		}
		if r.tokenOf(user, name) == nil {
			return fmt.Errorf("%s: %w", name, ErrNoToken)
		}
		r.lines = slices.DeleteFunc(r.lines, func(line string) bool {
			return isToken(line) && strings.HasPrefix(line, tokenLine+" "+user+" "+name+" ")
		})
		return nil
	})
}

// Bearer returns the user of a request of a program. A token of the password file in the header
// Authorization identifies the user. Without a token it is User, so that a session, a proxy and the
// function of the service work, too. The function of the service is called first.
//
// The error is nil, ErrToken, ErrUnavailable, or a *TooManyError after ten requests with wrong
// tokens from an address. A request with a valid token is never refused because of them.
func (g *Gate) Bearer(r *http.Request) (*User, error) {
	secret := bearer(r)
	if !strings.HasPrefix(secret, tokenPrefix) || g.options.Open {
		return g.User(r), nil // a token of another issuer, which a proxy may pass on
	}
	if u, stop := g.identified(r); u != nil || stop {
		return u, nil
	}
	if g.passwords == nil {
		return nil, ErrToken
	}
	content, err := g.passwords.current()
	if err != nil {
		return nil, ErrUnavailable
	}
	t := content.byHash[sha256.Sum256([]byte(secret))]
	if t == nil || !t.expires.IsZero() && !t.expires.After(time.Now()) {
		u, err := User{Method: MethodToken}, g.attempts.wrongToken(g.proxies.client(r))
		if t != nil {
			u.Name, u.Token = t.user, t.name
		}
		g.report(r, EventLoginFailed, u, err)
		return nil, err
	}
	a := content.byName[t.user]
	u := &User{Name: a.name, Method: MethodToken, Token: t.name, Roles: map[string]Role{}, MustChange: a.mustChange}
	for _, pool := range pools(t.roles, a.roles) {
		u.Roles[pool] = min(roleIn(t.roles, pool), roleIn(a.roles, pool))
	}
	return u, nil
}

// bearer returns the token in the header Authorization, "" for none.
func bearer(r *http.Request) string {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(secret)
}
