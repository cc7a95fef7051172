//go:build !unix

package access

import (
	"errors"
	"io/fs"
	"os"
)

// checkPrivate checks no mode: the rights of files are in access control lists there.
func checkPrivate(info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return errors.New("is no regular file")
	}
	return nil
}

// lockCurrent does nothing: an open file cannot be replaced there. Of two changes at the same
// time one may be lost.
func lockCurrent(string) (release func(), err error) { return func() {}, nil }

func keepOwner(*os.File, fs.FileInfo) error { return nil }

func syncDir(string) error { return nil }
