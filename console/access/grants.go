package access

import (
	"errors"
	"maps"
	"slices"

	"github.com/ltsworker/ltsworker/task"
)

// Grants are the roles of users whose method names only the user and its groups. A user has
// in each pool the highest role of all its grants. In each map of roles AllPools stands for
// each pool without an entry of its own.
type Grants struct {
	// Everyone are the roles of each identified user. Default: none.
	Everyone map[string]Role
	// Groups are the roles by pool of the members of each group. Default: none.
	Groups map[string]map[string]Role
	// Users are the roles by pool of single users. Default: none.
	Users map[string]map[string]Role
}

// roles returns the roles of a user, or nil if there are none above None.
func (g *Grants) roles(name string, groups []string) map[string]Role {
	given := []map[string]Role{g.Everyone, g.Users[name]}
	for _, group := range groups {
		given = append(given, g.Groups[group])
	}
	// An entry of one grant does not hide the role for all pools of another.
	roles := map[string]Role{}
	var highest Role
	for _, one := range given {
		for pool := range one {
			for _, other := range given {
				roles[pool] = max(roles[pool], roleIn(other, pool))
			}
			highest = max(highest, roles[pool])
		}
	}
	if highest == None {
		return nil
	}
	return roles
}

// check returns all mistakes. An empty Grants is one.
func (g *Grants) check(field string) error {
	errs := []error{checkRoles(field+".everyone", g.Everyone)}
	if len(g.Everyone)+len(g.Groups)+len(g.Users) == 0 {
		errs = append(errs, &task.FieldError{Field: field, Msg: "is empty: set everyone, groups or users, or no user has a role"})
	}
	for _, group := range slices.Sorted(maps.Keys(g.Groups)) {
		errs = append(errs, checkRoles(field+".groups."+group, g.Groups[group]))
	}
	for _, name := range slices.Sorted(maps.Keys(g.Users)) {
		if err := task.CheckName(name); err != nil {
			errs = append(errs, &task.FieldError{Field: field + ".users." + name, Msg: "is not the name of a user: it " + err.Error()})
		}
		errs = append(errs, checkRoles(field+".users."+name, g.Users[name]))
	}
	return errors.Join(errs...)
}
