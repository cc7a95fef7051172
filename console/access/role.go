package access

import "fmt"

// Role is what a user may do in a pool. A higher role includes the lower ones.
type Role uint8

// The roles. The zero value is None.
const (
	None     Role = iota // sees nothing
	Viewer               // reads
	Operator             // also changes tasks, queues and triggers
	Admin                // does everything
)

var roleNames = [...]string{None: "none", Viewer: "viewer", Operator: "operator", Admin: "admin"}

// String returns the name of the role: none, viewer, operator or admin.
func (r Role) String() string {
	if int(r) < len(roleNames) {
		return roleNames[r]
	}
	return fmt.Sprintf("Role(%d)", uint8(r))
}

// ParseRole returns the role with that name.
func ParseRole(s string) (Role, error) {
	for r, name := range roleNames {
		if s == name {
			return Role(r), nil
		}
	}
	return None, fmt.Errorf("must be one of none, viewer, operator, admin, not %q", s)
}

// MarshalText returns the name of the role.
func (r Role) MarshalText() ([]byte, error) {
	if int(r) >= len(roleNames) {
		return nil, fmt.Errorf("%v is no role", r)
	}
	return []byte(r.String()), nil
}

// UnmarshalText parses the name of a role.
func (r *Role) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRole(string(text))
	return err
}
