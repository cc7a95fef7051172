//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd

package command

import "errors"

// resources is empty: limits are refused on this system.
var resources map[string]int

func hardLimit(int) (uint64, error) { return 0, errors.New("this system has no limits") }
