package task

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// The limits of names and unique keys.
const (
	MaxNameLen = 128  // bytes of an id, kind, queue, pool or group
	MaxUnique  = 4096 // bytes of a unique key
)

// CheckName returns an error that says what is wrong with an id, kind, queue, pool or
// group; nil if it is valid.
//
// A name has 1 to MaxNameLen bytes of UTF-8 in Unicode normalization form C (NFC). It
// consists of letters, marks and decimal digits of any script and of . _ : / @ + = -,
// and its first character is a letter, a digit or an underscore. Default-ignorable
// characters, such as Hangul fillers and variation selectors, are refused because they
// are invisible. A name is safe in a Redis key (no braces, no spaces), on a terminal
// and on a command line.
func CheckName(s string) error {
	if n := plainLen(s); n == len(s) && 0 < n && n <= MaxNameLen {
		return nil
	}
	return checkName(s)
}

func checkName(s string) error {
	switch {
	case s == "":
		return errors.New("must not be empty")
	case len(s) > MaxNameLen:
		return fmt.Errorf("is %d bytes long; the limit is %d", len(s), MaxNameLen)
	case !utf8.ValidString(s):
		return errors.New("must be valid UTF-8")
	}
	for i, r := range s {
		switch {
		case unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, unicode.Cf):
			return fmt.Errorf("must not contain U+%04X, an invisible or formatting character", r)
		case unicode.IsLetter(r), unicode.Is(unicode.Nd, r), r == '_':
		case i > 0 && (unicode.IsMark(r) || r < utf8.RuneSelf && nameBytes[r] != 0):
		case unicode.IsMark(r) || r < utf8.RuneSelf && nameBytes[r] != 0:
			return fmt.Errorf("must start with a letter, a digit or _, not %q", r)
		default:
			return fmt.Errorf("must not contain %q; allowed are letters, marks and digits of any script and . _ : / @ + = -", string(r))
		}
	}
	if norm.NFC.QuickSpanString(s) < len(s) && !norm.NFC.IsNormalString(s) { // IsNormalString allocates
		return errors.New("must be in Unicode normalization form C (NFC)")
	}
	return nil
}

// The positions that an ASCII character may have in a name.
const (
	first = 1 << iota // at the start
	later             // after the start
)

// nameBytes holds the allowed positions of each byte; 0 for none.
var nameBytes = func() (bytes [256]byte) {
	for c := range utf8.RuneSelf {
		r := rune(c)
		if unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' {
			bytes[c] = first | later
		}
	}
	for _, c := range ".:/@+=-" {
		bytes[c] = later
	}
	return bytes
}()

// plainLen returns the length of the longest prefix of s that is a name of ASCII
// characters.
func plainLen(s string) int {
	may := byte(first)
	for i := range len(s) {
		if nameBytes[s[i]]&may == 0 {
			return i
		}
		may = later
	}
	return len(s)
}

// UniqueKey returns the stored form of a unique key: the key itself if CheckName
// accepts it, else "#" and the first 128 bits of its SHA-256 in lower-case hexadecimal
// digits. "" means no key and stays "".
func UniqueKey(key string) string {
	n := plainLen(key)
	switch {
	case n == len(key) && n <= MaxNameLen:
		return key
	case n < len(key) && key[n] >= utf8.RuneSelf && checkName(key) == nil:
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "#" + hex.EncodeToString(sum[:16])
}

// isUniqueHash reports whether key is the stored form of a key that is no name.
func isUniqueHash(key string) bool {
	if len(key) != 33 || key[0] != '#' {
		return false
	}
	sum, err := hex.DecodeString(key[1:])
	return err == nil && key[1:] == hex.EncodeToString(sum)
}

// checkUnique returns an error that says what is wrong with a unique key; nil if it is
// valid.
func checkUnique(key string) error {
	if len(key) > MaxUnique {
		return fmt.Errorf("is %d bytes long; the limit is %d", len(key), MaxUnique)
	}
	if !utf8.ValidString(key) {
		return errors.New("must be valid UTF-8")
	}
	return nil
}
