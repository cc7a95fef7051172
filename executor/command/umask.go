package command

import (
	"fmt"
	"regexp"
	"strconv"
)

var umaskSyntax = regexp.MustCompile(`^0?[0-7]{3}$`)

// parseUmask returns the umask that a text names, -1 for "".
func parseUmask(s string) (int, error) {
	switch {
	case s == "":
		return -1, nil
	case !umaskSyntax.MatchString(s):
		return -1, fmt.Errorf("must be three octal digits such as 027, not %q", s)
	case !hasUmask:
		return -1, fmt.Errorf("cannot be set: this system has no umask")
	}
	mask, err := strconv.ParseInt(s, 8, 0)
	return int(mask), err
}
