package access

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ltsworker/ltsworker/task"
)

// AllPools is the key in a map of roles that stands for each pool without an entry of its
// own.
const AllPools = "*"

// The values of User.Method.
const (
	MethodPassword = "password"
	MethodOIDC     = "oidc"
	MethodProxy    = "proxy"
	MethodCallback = "callback"
	MethodOpen     = "open"
	MethodToken    = "token"
)

// User is an identified user. It must not be changed.
type User struct {
	// Name identifies the user. It follows the rule of task.CheckName, except with
	// MethodCallback.
	Name string
	// Method says how the user was identified: one of the Method constants.
	Method string
	// Token is the name of the token of the request, with MethodToken.
	Token string
	// Roles are the roles by pool. AllPools stands for each pool without an entry of its own.
	Roles map[string]Role
	// MustChange says that the user has to change the password. Until then Role returns None
	// for each pool.
	MustChange bool
}

// Role returns the role of the user in the pool. It is None for a nil User.
func (u *User) Role(pool string) Role {
	if u == nil || u.MustChange {
		return None
	}
	return roleIn(u.Roles, pool)
}

func roleIn(roles map[string]Role, pool string) Role {
	if r, ok := roles[pool]; ok {
		return r
	}
	return roles[AllPools]
}

// checkRoles returns an error for each pool and role that is invalid.
func checkRoles(field string, roles map[string]Role) error {
	var errs []error
	for _, pool := range slices.Sorted(maps.Keys(roles)) {
		if pool != AllPools {
			if err := task.CheckName(pool); err != nil {
				errs = append(errs, &task.FieldError{Field: field + "." + pool, Msg: "is not the name of a pool: it " + err.Error()})
			}
		}
		if r := roles[pool]; r > Admin {
			errs = append(errs, &task.FieldError{Field: field + "." + pool, Msg: fmt.Sprintf("is %v, which is no role", r)})
		}
	}
	return errors.Join(errs...)
}

// ParseRoles parses roles by pool, such as "*=viewer,media=operator". At least one entry is
// needed.
func ParseRoles(text string) (map[string]Role, error) {
	roles := map[string]Role{}
	for entry := range strings.SplitSeq(text, ",") {
		// The name of a pool may contain "=".
		i := strings.LastIndexByte(entry, '=')
		if i < 0 {
			return nil, fmt.Errorf("must be POOL=ROLE,… such as *=viewer,media=operator, not %q", text)
		}
		pool := entry[:i]
		role, err := ParseRole(entry[i+1:])
		if err != nil {
			return nil, fmt.Errorf("has a wrong role for %q: the role %w", pool, err)
		}
		if pool != AllPools {
			if err := task.CheckName(pool); err != nil {
				return nil, fmt.Errorf("has a wrong pool %q: the name %w", pool, err)
			}
		}
		if _, twice := roles[pool]; twice {
			return nil, fmt.Errorf("has the pool %q twice", pool)
		}
		roles[pool] = role
	}
	return roles, nil
}

// FormatRoles is the reverse of ParseRoles. The pools are sorted.
func FormatRoles(roles map[string]Role) string {
	var entries []string
	for _, pool := range slices.Sorted(maps.Keys(roles)) {
		entries = append(entries, pool+"="+roles[pool].String())
	}
	return strings.Join(entries, ",")
}
