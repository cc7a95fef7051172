package console

import (
	"context"
	"fmt"

	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// settings are the settings that a picture does not have. Viewers share them.
type settings struct {
	group  currents[groupSettings]    // by the name of the group
	groups currents[[]pool.GroupInfo] // by their names
	limits currents[[]record.Limit]   // by scope and name
	rates  currents[[]record.Rate]    // by scope and name
}

// groupSettings are those of one group.
type groupSettings struct {
	*pool.GroupInfo
	Configured task.Configured
}

// group returns a group. It may have neither tasks nor settings.
func (s *site) group(ctx context.Context, name string) (groupSettings, error) {
	return s.settings.group.get(ctx, s.hub, name, func(ctx context.Context) (g groupSettings, err error) {
		_, found, err := s.pool.Groups(ctx, name)
		if err != nil {
			return g, err
		}
		set, err := s.store.Configured(ctx, pool.GroupScope, name)
		if err != nil {
			return g, err
		}
		return groupSettings{&found[0], set[0]}, nil
	})
}

// groupsNamed returns groups, which the caller must not change.
func (s *site) groupsNamed(ctx context.Context, names []string) ([]pool.GroupInfo, error) {
	return s.settings.groups.get(ctx, s.hub, fmt.Sprintf("%q", names), func(ctx context.Context) ([]pool.GroupInfo, error) {
		_, found, err := s.pool.Groups(ctx, names...)
		return found, err
	})
}

// limits returns the limits of a scope, "" for all scopes, and of a name in it, "" for all names. Like a
// picture they are at most a second old.
func (s *site) limits(ctx context.Context, scope pool.Scope, name string) ([]record.Limit, error) {
	return s.settings.limits.share(ctx, s.hub, string(scope)+" "+name, func(ctx context.Context) ([]record.Limit, error) {
		return record.Limits(ctx, s.pool, scope, name)
	})
}

// rates returns the rates of a scope and of a name in it, as limits does.
func (s *site) rates(ctx context.Context, scope pool.Scope, name string) ([]record.Rate, error) {
	return s.settings.rates.share(ctx, s.hub, string(scope)+" "+name, func(ctx context.Context) ([]record.Rate, error) {
		return record.Rates(ctx, s.pool, scope, name)
	})
}
