package access

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRolesIncludeTheLowerOnes(t *testing.T) {
	if !(None < Viewer && Viewer < Operator && Operator < Admin) {
		t.Error("the order of the roles is wrong")
	}
	var none Role
	if none != None {
		t.Error("the zero value must be None")
	}
}

func TestRoleIsItsNameInText(t *testing.T) {
	for _, r := range []Role{None, Viewer, Operator, Admin} {
		text, err := json.Marshal(map[string]Role{"p": r})
		var back map[string]Role
		if err != nil || json.Unmarshal(text, &back) != nil || back["p"] != r || !strings.Contains(string(text), `"`+r.String()+`"`) {
			t.Errorf("%v: %s %v", r, text, err)
		}
	}
	for _, text := range []string{"", "Admin", "root", "admin "} {
		if r, err := ParseRole(text); err == nil || r != None {
			t.Errorf("%q is %v", text, r)
		}
	}
	if _, err := Role(9).MarshalText(); err == nil {
		t.Error("Role(9) has a text")
	}
}

func TestRoleOfAPoolPrecedesThatOfAllPools(t *testing.T) {
	u := &User{Roles: map[string]Role{AllPools: Operator, "media": Viewer, "secret": None}}
	for pool, want := range map[string]Role{"media": Viewer, "secret": None, "other": Operator} {
		if got := u.Role(pool); got != want {
			t.Errorf("%s: %v, want %v", pool, got, want)
		}
	}
	if got := (&User{Roles: map[string]Role{"media": Admin}}).Role("other"); got != None {
		t.Errorf("a pool without an entry: %v", got)
	}
}

func TestNobodyAndAUserWhoMustChangeThePasswordHaveNoRole(t *testing.T) {
	var nobody *User
	if got := nobody.Role("p"); got != None {
		t.Errorf("nil: %v", got)
	}
	if got := (&User{Roles: map[string]Role{AllPools: Admin}, MustChange: true}).Role("p"); got != None {
		t.Errorf("must change: %v", got)
	}
}

func TestRolesAreParsedStrictly(t *testing.T) {
	const text = "*=viewer,a=b=admin,media=none"
	roles, err := ParseRoles(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]Role{AllPools: Viewer, "a=b": Admin, "media": None}, roles); diff != "" {
		t.Error(diff)
	}
	if got := FormatRoles(roles); got != text {
		t.Error(got)
	}
	for _, wrong := range []string{"", "admin", "*=", "=admin", "*=root", "*=admin,", "*=admin,*=viewer", "*=admin, p=viewer", "a*=viewer", "a b=viewer"} {
		if _, err := ParseRoles(wrong); err == nil {
			t.Errorf("%q is accepted", wrong)
		}
	}
}

func TestGrantsOfAUserAreAdded(t *testing.T) {
	g := Grants{
		Everyone: map[string]Role{"public": Viewer},
		Groups: map[string]map[string]Role{
			"ops":   {AllPools: Operator},
			"media": {"media": Viewer, "public": Admin},
		},
		Users: map[string]map[string]Role{"root": {AllPools: Admin}},
	}
	for _, tt := range []struct {
		name, groups string
		want         map[string]Role // by pool; "other" has no entry anywhere
	}{
		{"alice", "", map[string]Role{"public": Viewer, "media": None, "other": None}},
		{"alice", "media", map[string]Role{"public": Admin, "media": Viewer, "other": None}},
		// The entry of one group for a pool must not lower the role of another for all pools.
		{"alice", "media ops", map[string]Role{"public": Admin, "media": Operator, "other": Operator}},
		{"root", "media", map[string]Role{"public": Admin, "media": Admin, "other": Admin}},
		{"alice", "Ops unknown", map[string]Role{"public": Viewer, "media": None, "other": None}},
	} {
		u := &User{Roles: g.roles(tt.name, strings.Fields(tt.groups))}
		for pool, want := range tt.want {
			if got := u.Role(pool); got != want {
				t.Errorf("%s in %q: %s %v, want %v", tt.name, tt.groups, pool, got, want)
			}
		}
	}
	g.Everyone = nil
	if got := g.roles("alice", nil); got != nil {
		t.Errorf("without a grant: %v", got)
	}
}
