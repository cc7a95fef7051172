package task

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
)

// secretLen is the number of random bytes of a token.
const secretLen = 16

// MaxToken is the length of the longest token, in bytes.
var MaxToken = base64.RawURLEncoding.EncodedLen(secretLen + MaxNameLen)

// NewToken returns a token for reports on a task: 128 random bits and the id of the
// task, as letters, digits, "-" and "_".
func NewToken(id string) string {
	b := make([]byte, secretLen, secretLen+len(id))
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(append(b, id...))
}

// ParseToken returns the id of the task in a token and the hash under which the store
// has the token. It does not know whether the token is valid. It returns ErrUnknownToken
// for a text that is no token.
func ParseToken(token string) (id, hash string, err error) {
	if len(token) > MaxToken {
		return "", "", ErrUnknownToken
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) <= secretLen || CheckName(string(b[secretLen:])) != nil {
		return "", "", ErrUnknownToken
	}
	sum := sha256.Sum256([]byte(token))
	return string(b[secretLen:]), hex.EncodeToString(sum[:]), nil
}

// ReportToken returns a token with which Report, on any client of the pool, ends this
// attempt from outside. It is for a handler that starts work elsewhere and then returns
// Detach, or that waits for the report itself: a report that arrives before the handler
// returns ends the attempt, and what the handler returns then has no effect.
//
// A token belongs to one attempt: the next attempt has another. Further calls return the
// same token. The store has only a hash of it. Anyone with the token can end the attempt,
// so keep it out of logs. The token contains the id of the task, which can be read from it.
//
// ReportToken calls the store. It returns ErrLeaseLost if the attempt has ended or is a
// clean-up (see SaveJob), and the error of the store if it could not be reached; the
// handler may try again. On a task that no replica runs, such as one made for a test of a
// handler, it returns a token that no store knows.
func (t *Task) ReportToken(ctx context.Context) (string, error) {
	if t.running == nil {
		return NewToken(t.ID), nil
	}
	return t.running.ReportToken(ctx)
}
