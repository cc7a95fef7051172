package task

import (
	"fmt"
	"unicode/utf8"
)

// CutResult returns the beginning of a result of total bytes, and a last line
// "[cut: N of M bytes]". Together they are at most limit bytes, which must be at least 100. b
// has at least the first limit bytes of the result. The cut is before a character of UTF-8
// that does not fit. Bytes that are not UTF-8 are kept. If total is negative, it is not
// known, and the line is "[cut: N of more than LIMIT bytes]".
func CutResult(b []byte, total int64, limit int) []byte {
	mark := "\n[cut: %d of %d bytes]"
	if total < 0 {
		mark, total = "\n[cut: %d of more than %d bytes]", int64(limit)
	}
	kept := wholeRunes(b[:limit-len(fmt.Sprintf(mark, limit, total))])
	return fmt.Appendf(kept[:len(kept):len(kept)], mark, len(kept), total)
}

// Limit returns how long a result may be. own is the limit of the handler, which applies unless
// an exporter saves the result.
func (l LargeResult) Limit(own int) int {
	if l == ExportLargeResult {
		return MaxStagedResult
	}
	return own
}

// Fit returns a result of total bytes if it is within l.Limit(own); a negative total is not
// known and over the limit. A longer result is cut, or an error with FailLargeResult and
// ExportLargeResult. b has at least the bytes within the limit.
func (l LargeResult) Fit(b []byte, total int64, own int) ([]byte, error) {
	limit := l.Limit(own)
	switch {
	case total >= 0 && total <= int64(limit):
		return b, nil
	case l == FailLargeResult || l == ExportLargeResult:
		return nil, LargeResultError(total, limit)
	}
	return CutResult(b, total, limit), nil
}

// LargeResultError returns the error of an attempt whose result is longer than its limit.
// A total that is negative is not known.
func LargeResultError(total int64, limit int) error {
	if total < 0 {
		return Permanent(fmt.Errorf("the result is more than the limit of %d bytes: store it elsewhere and return a reference", limit))
	}
	return Permanent(fmt.Errorf("the result is %d bytes; the limit is %d: store it elsewhere and return a reference", total, limit))
}

// wholeRunes removes an incomplete rune from the end of b.
func wholeRunes(b []byte) []byte {
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if last := b[len(b)-i:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				return b[:len(b)-i]
			}
			break
		}
	}
	return b
}
